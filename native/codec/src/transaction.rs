//! EIP-2718 transactions: legacy (EIP-155), 0x1 (EIP-2930), 0x2 (EIP-1559), 0x3 (EIP-4844),
//! 0x4 (EIP-7702), and the reserved type 0x48 of our own.

use std::sync::Arc;

use alloy_consensus::transaction::RlpEcdsaDecodableTx;
use alloy_consensus::{
    EthereumTypedTransaction, SignableTransaction, Signed, Transaction as Fields, TxEip1559, TxEip2930,
    TxEip4844, TxEip4844Variant, TxEip7702, TxEnvelope, TxLegacy, Typed2718,
};
use alloy_eips::eip2718::Encodable2718;
use alloy_eips::eip2930::AccessList;
use alloy_eips::eip7702::SignedAuthorization;
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256};
use hansa_crypto::{CryptoError, Suite, keccak256, sign_recoverable};

use crate::{TxError, TxLimits};

/// The EIP-2718 type of our own transaction: 'H'. Reserved; not active.
pub const OWN_TRANSACTION_TYPE: u8 = 0x48;

/// A decoded transaction together with its bytes and hash.
///
/// Read fields through the methods where you can: our own type will not be an Ethereum envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    /// The fields and signature, in alloy's form.
    pub envelope: TxEnvelope,
    /// keccak-256 of `raw`.
    pub hash: B256,
    /// The canonical EIP-2718 bytes.
    pub raw: Bytes,
}

impl Transaction {
    /// Wraps a signed envelope, encoding it once.
    pub fn from_envelope(envelope: TxEnvelope) -> Self {
        let raw = Bytes::from(envelope.encoded_2718());
        Self { hash: keccak256(&raw), envelope, raw }
    }

    /// The EIP-2718 type; 0 for a legacy transaction.
    pub fn kind_id(&self) -> u8 {
        self.envelope.ty()
    }

    /// The suite that its hash and signature belong to: Ethereum's types name none and so mean the
    /// standard one; our own type will carry its suite's number.
    pub const fn suite(&self) -> Suite {
        Suite::Standard
    }

    /// The sender's sequence number.
    pub fn nonce(&self) -> u64 {
        self.envelope.nonce()
    }

    /// The most gas that it may use.
    pub fn gas_limit(&self) -> u64 {
        self.envelope.gas_limit()
    }

    /// The chain it was signed for; none for an unprotected legacy transaction.
    pub fn chain_id(&self) -> Option<u64> {
        self.envelope.chain_id()
    }

    /// The account called, none when a contract is created.
    pub fn to(&self) -> Option<Address> {
        self.envelope.to()
    }

    /// Call or creation.
    pub fn kind(&self) -> TxKind {
        self.envelope.kind()
    }

    /// Wei moved to the callee.
    pub fn value(&self) -> U256 {
        self.envelope.value()
    }

    /// Call data or creation code.
    pub fn input(&self) -> &Bytes {
        self.envelope.input()
    }

    /// The most wei per gas that the sender pays: gas price or fee cap.
    pub fn max_fee_per_gas(&self) -> u128 {
        self.envelope.max_fee_per_gas()
    }

    /// The most wei per gas above the base fee: gas price or tip cap.
    pub fn max_priority_fee_per_gas(&self) -> u128 {
        self.envelope.priority_fee_or_price()
    }

    /// Accounts and slots announced beforehand; none for a legacy transaction.
    pub fn access_list(&self) -> Option<&AccessList> {
        self.envelope.access_list()
    }

    /// EIP-7702 authorisations; empty for every other type.
    pub fn authorizations(&self) -> &[SignedAuthorization] {
        self.envelope.authorization_list().unwrap_or_default()
    }

    /// The digest that the sender signed.
    pub fn signing_hash(&self) -> B256 {
        self.envelope.signature_hash()
    }

    /// Appends the bytes whose keccak-256 is the [`Self::signing_hash`].
    pub(crate) fn encode_for_signing(&self, out: &mut Vec<u8>) {
        match &self.envelope {
            TxEnvelope::Legacy(signed) => signed.tx().encode_for_signing(out),
            TxEnvelope::Eip2930(signed) => signed.tx().encode_for_signing(out),
            TxEnvelope::Eip1559(signed) => signed.tx().encode_for_signing(out),
            TxEnvelope::Eip4844(signed) => signed.tx().encode_for_signing(out),
            TxEnvelope::Eip7702(signed) => signed.tx().encode_for_signing(out),
        }
    }

    /// r ‖ s ‖ y parity, 65 bytes.
    pub fn signature(&self) -> [u8; 65] {
        compact_signature(self.envelope.signature())
    }
}

/// A transaction whose sender is known. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovered {
    /// The transaction, shared by pool, block and log.
    pub tx: Arc<Transaction>,
    /// The account that signed it.
    pub sender: Address,
}

impl Recovered {
    /// The transaction's hash.
    pub fn hash(&self) -> &B256 {
        &self.tx.hash
    }
}

/// Decodes one transaction; the bytes must hold it and nothing else.
///
/// # Errors
/// Every variant of [`TxError`] except `Signature`: the signature is looked at in
/// [`crate::recover`].
///
/// # Source
/// EIP-2718, EIP-155, EIP-2930, EIP-1559, EIP-4844, EIP-7702.
pub fn decode_transaction(raw: &[u8], limits: &TxLimits) -> Result<Transaction, TxError> {
    decode_owned(Bytes::copy_from_slice(check_size(raw, limits)?), limits)
}

/// Like [`decode_transaction`], without copying bytes that are already owned.
///
/// # Errors
/// As [`decode_transaction`].
pub fn decode_owned(raw: Bytes, limits: &TxLimits) -> Result<Transaction, TxError> {
    let hash = keccak256(check_size(&raw, limits)?);
    decode_hashed(raw, hash, limits)
}

/// Like [`decode_owned`], for bytes whose hash is known.
pub(crate) fn decode_hashed(raw: Bytes, hash: B256, limits: &TxLimits) -> Result<Transaction, TxError> {
    let bytes = check_size(&raw, limits)?;
    let envelope = match bytes[0] {
        0xc0..=0xff => TxEnvelope::Legacy(decode_signed::<TxLegacy>(bytes, hash)?),
        0x01 => TxEnvelope::Eip2930(decode_signed::<TxEip2930>(&bytes[1..], hash)?),
        0x02 => TxEnvelope::Eip1559(decode_signed::<TxEip1559>(&bytes[1..], hash)?),
        0x03 if !limits.blobs_allowed => return Err(TxError::BlobRefused),
        0x03 => {
            let signed = decode_signed::<TxEip4844>(&bytes[1..], hash)?;
            TxEnvelope::Eip4844(signed.map(TxEip4844Variant::TxEip4844))
        }
        0x04 => TxEnvelope::Eip7702(decode_signed::<TxEip7702>(&bytes[1..], hash)?),
        OWN_TRANSACTION_TYPE => return Err(TxError::NotActive),
        other @ 0x00..=0x7f => return Err(TxError::UnknownType(other)),
        // An RLP string around the transaction is how blocks nest it, not how it is sent.
        0x80..=0xbf => return Err(TxError::Rlp(alloy_rlp::Error::UnexpectedString)),
    };
    check_lists(&envelope, limits)?;
    Ok(Transaction { envelope, hash, raw })
}

/// Signs a transaction with a secp256k1 secret key.
///
/// # Errors
/// [`CryptoError::InvalidSecret`].
pub fn sign_transaction(
    unsigned: EthereumTypedTransaction<TxEip4844Variant>,
    secret: &[u8; 32],
) -> Result<Transaction, CryptoError> {
    let compact = sign_recoverable(secret, &unsigned.signature_hash())?;
    let signature = Signature::from_bytes_and_parity(&compact[..64], compact[64] == 1);
    let signed: Signed<_> = unsigned.into_signed(signature);
    Ok(Transaction::from_envelope(signed.into()))
}

/// alloy's signature as r ‖ s ‖ y parity.
pub(crate) fn compact_signature(signature: &Signature) -> [u8; 65] {
    let mut compact = [0u8; 65];
    compact[..32].copy_from_slice(&signature.r().to_be_bytes::<32>());
    compact[32..64].copy_from_slice(&signature.s().to_be_bytes::<32>());
    compact[64] = u8::from(signature.v());
    compact
}

fn check_size<'a>(raw: &'a [u8], limits: &TxLimits) -> Result<&'a [u8], TxError> {
    match raw.len() {
        0 => Err(TxError::Empty),
        size if size > limits.raw_bytes_max => Err(TxError::TooLarge { size, max: limits.raw_bytes_max }),
        _ => Ok(raw),
    }
}

fn decode_signed<T: RlpEcdsaDecodableTx>(mut bytes: &[u8], hash: B256) -> Result<Signed<T>, TxError> {
    let (tx, signature) = T::rlp_decode_with_signature(&mut bytes)?;
    if !bytes.is_empty() {
        return Err(TxError::TrailingBytes(bytes.len()));
    }
    Ok(Signed::new_unchecked(tx, signature, hash))
}

fn check_lists(envelope: &TxEnvelope, limits: &TxLimits) -> Result<(), TxError> {
    if envelope.chain_id().is_none() && !limits.unprotected_allowed {
        return Err(TxError::Unprotected);
    }
    if let Some(list) = envelope.access_list() {
        check_access(list, limits)?;
    }
    let authorizations = envelope.authorization_list().map_or(0, <[_]>::len);
    if authorizations > limits.authorizations_max {
        let max = limits.authorizations_max;
        return Err(TxError::AuthorizationListTooLong { count: authorizations, max });
    }
    let blobs = envelope.blob_versioned_hashes().map_or(0, <[_]>::len);
    if blobs > limits.blobs_max {
        return Err(TxError::TooManyBlobs { count: blobs, max: limits.blobs_max });
    }
    Ok(())
}

fn check_access(list: &AccessList, limits: &TxLimits) -> Result<(), TxError> {
    let addresses = list.0.len();
    if addresses > limits.access_addresses_max {
        let max = limits.access_addresses_max;
        return Err(TxError::AccessListTooLong { what: "addresses", count: addresses, max });
    }
    let keys = list.storage_keys_count();
    if keys > limits.access_keys_max {
        return Err(TxError::AccessListTooLong {
            what: "storage keys",
            count: keys,
            max: limits.access_keys_max,
        });
    }
    Ok(())
}
