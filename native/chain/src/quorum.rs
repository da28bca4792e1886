//! SEAL certificates: what validators sign, and how many signatures make a quorum.

use alloy_primitives::{B256, Bytes};
use hansa_codec::Certificate;
use hansa_crypto::{Suite, keccak256};
use hansa_state::WorldState;

use crate::membership::SetRecord;
use crate::{ChainError, Genesis};

/// Number of the SEAL vote among the vote types of consensus.
const VOTE_SEAL: u8 = 3;
const VOTE_PREFIX: &[u8] = b"hansa/vote/1";
/// The one consensus group of this release.
const GROUP: &[u8] = b"main";
/// The validators of the epoch and what their signatures are bound to.
#[derive(Debug, Clone)]
pub struct Quorum {
    suite: Suite,
    genesis_hash: B256,
    group_hash: B256,
    epoch: u64,
    /// By index; none for nodes without a vote.
    keys: Vec<Option<Bytes>>,
}

impl Quorum {
    /// Those who sign the block after `height`, of which `state` is the result: the validators of genesis where it
    /// names no membership contract.
    pub fn after(genesis: &Genesis, genesis_hash: B256, state: &WorldState, height: u64) -> Self {
        let facts = genesis.membership.as_ref().map(|membership| membership.facts(state, height));
        let keys = match &facts {
            Some(facts) => {
                facts.nodes.iter().map(|node| (node.weight > 0).then(|| node.public_key.clone())).collect()
            }
            None => genesis.validators.iter().map(|validator| Some(validator.public_key.clone())).collect(),
        };
        Self {
            suite: genesis.suite,
            genesis_hash,
            group_hash: keccak256(GROUP),
            epoch: facts.map_or(0, |facts| facts.number),
            keys,
        }
    }

    /// Those who sign in the epoch after, of which `set` says who they are.
    pub fn next(&self, set: &SetRecord) -> Self {
        let keys = set.nodes.iter().map(|node| (node.weight > 0).then(|| node.public_key.clone()));
        Self { epoch: set.number, keys: keys.collect(), ..self.clone() }
    }

    /// Their consensus keys by index; none for nodes without a vote.
    pub fn keys(&self) -> &[Option<Bytes>] {
        &self.keys
    }

    /// The epoch in which they sign.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Signatures that a certificate needs: n − ⌊(n−1)/3⌋.
    pub fn size(&self) -> usize {
        let voters = self.keys.iter().flatten().count();
        voters - voters.saturating_sub(1) / 3
    }

    /// The digest that a SEAL vote signs (view and QC view are zero: a seal belongs to no view).
    pub fn seal_digest(&self, height: u64, sealed_hash: &B256) -> B256 {
        let mut bytes = Vec::with_capacity(160);
        bytes.extend_from_slice(VOTE_PREFIX);
        bytes.extend_from_slice(self.genesis_hash.as_slice());
        bytes.extend_from_slice(self.group_hash.as_slice());
        bytes.extend_from_slice(&[self.suite.id(), VOTE_SEAL]);
        for number in [self.epoch, 0, height, 0] {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        bytes.extend_from_slice(sealed_hash.as_slice());
        keccak256(bytes)
    }

    /// Checks that `certificate` carries a quorum of valid signatures of known validators and no other.
    ///
    /// # Errors
    /// `Block` with code `BLOCK-CERTIFICATE`.
    pub fn check(&self, certificate: &Certificate) -> Result<(), ChainError> {
        let wrong = |what: String| ChainError::block("BLOCK-CERTIFICATE", what);
        let height = certificate.height;
        if certificate.epoch != self.epoch {
            let what =
                format!("block {height}: certificate of epoch {}, not {}", certificate.epoch, self.epoch);
            return Err(wrong(what));
        }
        let (found, needed) = (certificate.signatures.len(), self.size());
        if found < needed {
            return Err(wrong(format!(
                "block {height}: certificate with {found} signatures, {needed} are needed"
            )));
        }
        let digest = self.seal_digest(height, &certificate.sealed_hash);
        for entry in &certificate.signatures {
            let signer = entry.signer;
            let Some(Some(key)) = self.keys.get(signer as usize) else {
                return Err(wrong(format!("block {height}: signer {signer} is no validator")));
            };
            if !self.suite.verify(key, &digest, &entry.signature.0) {
                return Err(wrong(format!(
                    "block {height}: the signature of validator {signer} does not hold"
                )));
            }
        }
        Ok(())
    }
}
