//! The SEAL certificate: which validators signed a sealed header.

use alloy_primitives::{B256, FixedBytes};
use alloy_rlp::{Encodable, RlpDecodable, RlpEncodable};

use crate::WireError;
use crate::order::decode_exact;

/// The only version of the encoding.
pub const CERTIFICATE_VERSION: u8 = 1;

/// More signers than an alliance may have validators.
pub const CERTIFICATE_SIGNERS_MAX: usize = 1_024;

/// More bytes than any certificate has.
pub const CERTIFICATE_BYTES_MAX: usize = 80 * 1024;

const WHAT: &str = "certificate";

/// One validator's signature over the SEAL vote.
#[derive(Debug, Clone, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub struct CertificateSignature {
    /// Index in the epoch's validator list.
    pub signer: u32,
    /// r ‖ s, 64 bytes, s in the lower half.
    pub signature: FixedBytes<64>,
}

/// Signatures of validators over one sealed header, stored beside the block.
///
/// Decoding proves form only (ascending signers); whether they are a quorum and the signatures hold
/// is checked against the validator set by whoever knows it.
#[derive(Debug, Clone, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub struct Certificate {
    /// [`CERTIFICATE_VERSION`].
    pub version: u8,
    /// The epoch whose validators signed.
    pub epoch: u64,
    /// Block number.
    pub height: u64,
    /// Hash of the sealed header.
    pub sealed_hash: B256,
    /// Strictly ascending by signer.
    pub signatures: Vec<CertificateSignature>,
}

impl Certificate {
    /// Builds a certificate; the signatures are put in ascending order.
    ///
    /// # Errors
    /// [`WireError::SignerOrder`] for a repeated signer, [`WireError::TooLarge`] for too many.
    pub fn new(
        epoch: u64,
        height: u64,
        sealed_hash: B256,
        mut signatures: Vec<(u32, [u8; 64])>,
    ) -> Result<Self, WireError> {
        signatures.sort_unstable_by_key(|(signer, _)| *signer);
        let signatures = signatures
            .into_iter()
            .map(|(signer, signature)| CertificateSignature { signer, signature: signature.into() })
            .collect();
        let certificate = Self { version: CERTIFICATE_VERSION, epoch, height, sealed_hash, signatures };
        certificate.check()?;
        Ok(certificate)
    }

    /// The canonical RLP.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(Encodable::length(self));
        Encodable::encode(self, &mut out);
        out
    }

    /// Decodes the canonical RLP and nothing after it.
    ///
    /// # Errors
    /// [`WireError::TooLarge`], [`WireError::Rlp`], [`WireError::TrailingBytes`],
    /// [`WireError::Version`], [`WireError::SignerOrder`].
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        if bytes.len() > CERTIFICATE_BYTES_MAX {
            return Err(WireError::TooLarge { what: WHAT, size: bytes.len(), max: CERTIFICATE_BYTES_MAX });
        }
        let certificate: Self = decode_exact(bytes, WHAT)?;
        if certificate.version != CERTIFICATE_VERSION {
            return Err(WireError::Version { what: WHAT, version: certificate.version });
        }
        certificate.check()?;
        Ok(certificate)
    }

    fn check(&self) -> Result<(), WireError> {
        let size = self.signatures.len();
        if size > CERTIFICATE_SIGNERS_MAX {
            return Err(WireError::TooLarge { what: WHAT, size, max: CERTIFICATE_SIGNERS_MAX });
        }
        match self.signatures.windows(2).find(|pair| pair[0].signer >= pair[1].signer) {
            Some(pair) => Err(WireError::SignerOrder(pair[1].signer)),
            None => Ok(()),
        }
    }
}
