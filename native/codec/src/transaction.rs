//! EIP-2718 transactions: legacy (EIP-155), 0x1 (EIP-2930), 0x2 (EIP-1559), 0x3 (EIP-4844),
//! 0x4 (EIP-7702), and 0x48, our own.

use std::sync::Arc;

use alloy_consensus::transaction::{RlpEcdsaDecodableTx, RlpEcdsaEncodableTx};
use alloy_consensus::{
    EthereumTypedTransaction, SignableTransaction, Signed, Transaction as Fields, TxEip1559, TxEip2930,
    TxEip4844, TxEip4844Variant, TxEip7702, TxEnvelope, TxLegacy, Typed2718,
};
use alloy_eips::eip2718::Encodable2718;
use alloy_eips::eip2930::AccessList;
use alloy_eips::eip7702::SignedAuthorization;
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256};
use hansa_crypto::{CryptoError, Suite, keccak256, sign_recoverable};

use crate::own::{OWN_TRANSACTION_TYPE, OwnTransaction, ReplayKey};
use crate::{TxError, TxLimits};

/// Fields and signature of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Envelope {
    /// One of Ethereum's types, in alloy's form.
    Ethereum(TxEnvelope),
    /// Our own type.
    Own(Signed<OwnTransaction>),
}

/// A decoded transaction together with its bytes and hash.
///
/// Read fields through the methods where you can: they answer for every type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    /// The fields and signature.
    pub envelope: Envelope,
    /// keccak-256 of `raw`.
    pub hash: B256,
    /// The canonical EIP-2718 bytes.
    pub raw: Bytes,
}

impl Transaction {
    /// Wraps a signed envelope, encoding it once.
    pub fn from_envelope(envelope: TxEnvelope) -> Self {
        let raw = Bytes::from(envelope.encoded_2718());
        Self { hash: keccak256(&raw), envelope: Envelope::Ethereum(envelope), raw }
    }

    /// The envelope of one of Ethereum's types.
    pub fn ethereum(&self) -> Option<&TxEnvelope> {
        match &self.envelope {
            Envelope::Ethereum(envelope) => Some(envelope),
            Envelope::Own(_) => None,
        }
    }

    /// The fields of our own type.
    pub fn own(&self) -> Option<&OwnTransaction> {
        match &self.envelope {
            Envelope::Ethereum(_) => None,
            Envelope::Own(signed) => Some(signed.tx()),
        }
    }

    /// The EIP-2718 type; 0 for a legacy transaction.
    pub fn kind_id(&self) -> u8 {
        match &self.envelope {
            Envelope::Ethereum(tx) => tx.ty(),
            Envelope::Own(tx) => tx.tx().ty(),
        }
    }

    /// The suite that its hash and signature belong to: Ethereum's types name none and so mean the
    /// standard one; our own type carries its suite's number.
    pub fn suite(&self) -> Suite {
        self.own().map_or(Suite::Standard, |tx| tx.suite)
    }

    /// The sender's sequence number; of our own type the number that it drew.
    pub fn nonce(&self) -> u64 {
        match &self.envelope {
            Envelope::Ethereum(tx) => tx.nonce(),
            Envelope::Own(tx) => tx.tx().nonce,
        }
    }

    /// The most gas that it may use.
    pub fn gas_limit(&self) -> u64 {
        match &self.envelope {
            Envelope::Ethereum(tx) => tx.gas_limit(),
            Envelope::Own(tx) => tx.tx().gas_limit,
        }
    }

    /// The chain it was signed for; none for an unprotected legacy transaction.
    pub fn chain_id(&self) -> Option<u64> {
        match &self.envelope {
            Envelope::Ethereum(tx) => tx.chain_id(),
            Envelope::Own(tx) => Some(tx.tx().chain_id),
        }
    }

    /// The account called, none when a contract is created.
    pub fn to(&self) -> Option<Address> {
        match &self.envelope {
            Envelope::Ethereum(tx) => tx.to(),
            Envelope::Own(tx) => Some(tx.tx().to),
        }
    }

    /// Call or creation.
    pub fn kind(&self) -> TxKind {
        match &self.envelope {
            Envelope::Ethereum(tx) => tx.kind(),
            Envelope::Own(tx) => TxKind::Call(tx.tx().to),
        }
    }

    /// Wei moved to the callee.
    pub fn value(&self) -> U256 {
        match &self.envelope {
            Envelope::Ethereum(tx) => tx.value(),
            Envelope::Own(tx) => tx.tx().value,
        }
    }

    /// Call data or creation code.
    pub fn input(&self) -> &Bytes {
        match &self.envelope {
            Envelope::Ethereum(tx) => tx.input(),
            Envelope::Own(tx) => &tx.tx().input,
        }
    }

    /// The most wei per gas that the sender pays: gas price or fee cap.
    pub fn max_fee_per_gas(&self) -> u128 {
        match &self.envelope {
            Envelope::Ethereum(tx) => tx.max_fee_per_gas(),
            Envelope::Own(tx) => tx.tx().max_fee_per_gas,
        }
    }

    /// The most wei per gas above the base fee: gas price or tip cap.
    pub fn max_priority_fee_per_gas(&self) -> u128 {
        match &self.envelope {
            Envelope::Ethereum(tx) => tx.priority_fee_or_price(),
            Envelope::Own(tx) => tx.tx().max_priority_fee_per_gas,
        }
    }

    /// Accounts and slots announced beforehand; none for a legacy transaction.
    pub fn access_list(&self) -> Option<&AccessList> {
        match &self.envelope {
            Envelope::Ethereum(tx) => tx.access_list(),
            Envelope::Own(tx) => Some(&tx.tx().access_list),
        }
    }

    /// EIP-7702 authorisations; empty for every other type.
    pub fn authorizations(&self) -> &[SignedAuthorization] {
        match &self.envelope {
            Envelope::Ethereum(tx) => tx.authorization_list().unwrap_or_default(),
            Envelope::Own(_) => &[],
        }
    }

    /// The digest that the sender signed.
    pub fn signing_hash(&self) -> B256 {
        match &self.envelope {
            Envelope::Ethereum(tx) => tx.signature_hash(),
            Envelope::Own(tx) => tx.tx().signing_hash(),
        }
    }

    /// Appends the bytes whose keccak-256 is the [`Self::signing_hash`].
    pub(crate) fn encode_for_signing(&self, out: &mut Vec<u8>) {
        match &self.envelope {
            Envelope::Own(signed) => signed.tx().encode_for_signing(out),
            Envelope::Ethereum(TxEnvelope::Legacy(signed)) => signed.tx().encode_for_signing(out),
            Envelope::Ethereum(TxEnvelope::Eip2930(signed)) => signed.tx().encode_for_signing(out),
            Envelope::Ethereum(TxEnvelope::Eip1559(signed)) => signed.tx().encode_for_signing(out),
            Envelope::Ethereum(TxEnvelope::Eip4844(signed)) => signed.tx().encode_for_signing(out),
            Envelope::Ethereum(TxEnvelope::Eip7702(signed)) => signed.tx().encode_for_signing(out),
        }
    }

    /// r ‖ s ‖ y parity, 65 bytes.
    pub fn signature(&self) -> [u8; 65] {
        compact_signature(match &self.envelope {
            Envelope::Ethereum(tx) => tx.signature(),
            Envelope::Own(tx) => tx.signature(),
        })
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

    /// What a replay is known by; only our own type has it.
    pub fn replay_key(&self) -> Option<ReplayKey> {
        self.tx.own().map(|tx| ReplayKey { sender: self.sender, nonce: tx.nonce })
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
        OWN_TRANSACTION_TYPE => return decode_own(raw, hash, limits),
        other @ 0x00..=0x7f => return Err(TxError::UnknownType(other)),
        // An RLP string around the transaction is how blocks nest it, not how it is sent.
        0x80..=0xbf => return Err(TxError::Rlp(alloy_rlp::Error::UnexpectedString)),
    };
    check_lists(&envelope, limits)?;
    Ok(Transaction { envelope: Envelope::Ethereum(envelope), hash, raw })
}

fn decode_own(raw: Bytes, hash: B256, limits: &TxLimits) -> Result<Transaction, TxError> {
    let signed = decode_signed::<OwnTransaction>(&raw[1..], hash)?;
    check_access(&signed.tx().access_list, limits)?;
    Ok(Transaction { envelope: Envelope::Own(signed), hash, raw })
}

/// Signs a transaction with a secp256k1 secret key.
///
/// # Errors
/// [`CryptoError::InvalidSecret`].
pub fn sign_transaction(
    unsigned: EthereumTypedTransaction<TxEip4844Variant>,
    secret: &[u8; 32],
) -> Result<Transaction, CryptoError> {
    let signature = sign_digest(&unsigned.signature_hash(), secret)?;
    let signed: Signed<_> = unsigned.into_signed(signature);
    Ok(Transaction::from_envelope(signed.into()))
}

/// Signs a transaction of our own type with a secp256k1 secret key.
///
/// # Errors
/// [`CryptoError::InvalidSecret`].
pub fn sign_own_transaction(unsigned: OwnTransaction, secret: &[u8; 32]) -> Result<Transaction, CryptoError> {
    let signature = sign_digest(&unsigned.signing_hash(), secret)?;
    let mut raw = Vec::with_capacity(unsigned.eip2718_encoded_length(&signature));
    unsigned.eip2718_encode(&signature, &mut raw);
    let hash = keccak256(&raw);
    let envelope = Envelope::Own(Signed::new_unchecked(unsigned, signature, hash));
    Ok(Transaction { envelope, hash, raw: raw.into() })
}

fn sign_digest(digest: &B256, secret: &[u8; 32]) -> Result<Signature, CryptoError> {
    let compact = sign_recoverable(secret, digest)?;
    Ok(Signature::from_bytes_and_parity(&compact[..64], compact[64] == 1))
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
