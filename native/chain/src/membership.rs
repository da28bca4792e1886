//! The membership contract, read by slot: who is in the alliance in which epoch, and when the epoch ends.
//!
//! Changes are staged in the contract. Once the block is executed that the contract names as the epoch's last, what
//! is staged is in force, whether or not the contract itself was called since.

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_rlp::{Decodable, Encodable, RlpDecodable, RlpEncodable};
use hansa_crypto::keccak256;
use hansa_state::WorldState;
use serde::Deserialize;

/// Indexes that a chain gives to nodes in its whole life.
pub const NODES_MAX: u64 = 256;
/// Bytes of one text or certificate in the contract, at most.
const TEXT_BYTES_MAX: u64 = 1_024;

const STATUS_VALIDATOR: u64 = 2;
const STATUS_REMOVED: u64 = 3;

/// Where genesis put the contract, and which slots it keeps things in; slots and offsets are in words.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Membership {
    address: Address,
    layout: Layout,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Layout {
    epoch: u64,
    epoch_first: u64,
    epoch_end: u64,
    /// View timeout, block interval, protocol version.
    consensus: u64,
    next_consensus: u64,
    node_count: u64,
    nodes: u64,
    next_nodes: u64,
    node_slots: u64,
    node: NodeLayout,
    organisations: u64,
    organisation_slots: u64,
    organisation: OrganisationLayout,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct NodeLayout {
    name: u64,
    organisation: u64,
    key: u64,
    account: u64,
    certificate: u64,
    endpoint: u64,
    status: u64,
    since: u64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct OrganisationLayout {
    name: u64,
    authority: u64,
}

/// One node in one epoch; its place in the list is its index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EpochNode {
    /// Unique in the alliance.
    pub name: String,
    /// Name of the organisation that runs it.
    pub organisation: String,
    /// Compressed consensus key.
    pub public_key: Bytes,
    /// Beneficiary of the blocks that it proposes.
    pub account: Address,
    /// SHA-256 of its TLS certificate; none where genesis binds none.
    pub certificate: Option<B256>,
    /// Its organisation's CA certificate, DER.
    pub authority: Bytes,
    /// host:port for the other nodes.
    pub endpoint: String,
    /// Votes; 0 for observers and removed nodes.
    pub weight: u64,
    /// Whether the others keep links to it: a removed node keeps them for one epoch.
    pub is_linked: bool,
}

/// What holds from one epoch's first block to its last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EpochFacts {
    /// From 0.
    pub number: u64,
    /// Its first block.
    pub first_height: u64,
    /// All nodes that ever were, by index.
    pub nodes: Vec<EpochNode>,
    /// First patience with a silent leader.
    pub view_timeout_ms: u64,
    /// Least time between two proposals.
    pub block_interval_ms: u64,
    /// Protocol version.
    pub protocol: u64,
}

/// One node of an encoded set.
#[derive(Debug, RlpEncodable, RlpDecodable)]
pub struct SetNode {
    /// Compressed consensus key.
    pub public_key: Bytes,
    account: Address,
    /// Votes.
    pub weight: u64,
}

/// What an encoded set says.
#[derive(Debug, RlpEncodable, RlpDecodable)]
pub struct SetRecord {
    /// Of the epoch.
    pub number: u64,
    /// Its first block.
    pub first_height: u64,
    /// All nodes that ever were, by index.
    pub nodes: Vec<SetNode>,
    view_timeout_ms: u64,
    block_interval_ms: u64,
    protocol: u64,
}

impl SetRecord {
    /// The set of bytes that [`EpochFacts::encode_set`] gives; none for others.
    pub fn read(mut bytes: &[u8]) -> Option<Self> {
        let set = Self::decode(&mut bytes).ok()?;
        bytes.is_empty().then_some(set)
    }
}

impl EpochFacts {
    /// What decides who signs and how, as canonical RLP: `[number, first height, [[key, account, weight] …], view
    /// timeout, block interval, protocol]`. Its keccak-256 is the `next_set_hash` of the epoch before.
    pub fn encode_set(&self) -> Vec<u8> {
        let nodes = self.nodes.iter().map(|node| SetNode {
            public_key: node.public_key.clone(),
            account: node.account,
            weight: node.weight,
        });
        let record = SetRecord {
            number: self.number,
            first_height: self.first_height,
            nodes: nodes.collect(),
            view_timeout_ms: self.view_timeout_ms,
            block_interval_ms: self.block_interval_ms,
            protocol: self.protocol,
        };
        let mut out = Vec::with_capacity(record.length());
        record.encode(&mut out);
        out
    }
}

/// The hash of an encoded set; zero for none.
pub fn set_hash(encoded: &[u8]) -> B256 {
    if encoded.is_empty() { B256::ZERO } else { keccak256(encoded) }
}

impl Membership {
    /// The last block of the epoch in which block `height` stands, as far as the state after that block knows.
    pub fn epoch_end(&self, state: &WorldState, height: u64) -> Option<u64> {
        let end = self.number(state, self.layout.epoch_end);
        (end != 0 && height <= end).then_some(end)
    }

    /// The encoded set of the next epoch if block `height` is the last of its epoch; empty otherwise.
    pub fn next_set(&self, state: &WorldState, height: u64) -> Bytes {
        match self.epoch_end(state, height) {
            Some(end) if end == height => self.facts(state, height).encode_set().into(),
            _ => Bytes::new(),
        }
    }

    /// What is in force for the block after `height`, of which `state` is the result.
    pub fn facts(&self, state: &WorldState, height: u64) -> EpochFacts {
        let layout = &self.layout;
        let end = self.number(state, layout.epoch_end);
        let has_ended = end != 0 && height >= end;
        let (number, first_height) = if has_ended {
            (self.number(state, layout.epoch) + 1, end + 1)
        } else {
            (self.number(state, layout.epoch), self.number(state, layout.epoch_first))
        };
        let is_staged = has_ended && self.number(state, layout.next_consensus) != 0;
        let consensus = if is_staged { layout.next_consensus } else { layout.consensus };
        EpochFacts {
            number,
            first_height,
            nodes: self.nodes(state, has_ended, number),
            view_timeout_ms: self.number(state, consensus),
            block_interval_ms: self.number(state, consensus + 1),
            protocol: self.number(state, consensus + 2),
        }
    }

    /// The account of a node that is or was in the set of the block after `height`.
    pub fn account_of(&self, state: &WorldState, index: u64) -> Option<Address> {
        let base = self.node_base(state, index, false).or_else(|| self.node_base(state, index, true))?;
        Some(self.address_at(state, base + self.layout.node.account))
    }

    fn nodes(&self, state: &WorldState, has_ended: bool, epoch: u64) -> Vec<EpochNode> {
        let count = self.number(state, self.layout.node_count).min(NODES_MAX);
        let bases = (0..count).map_while(|index| self.node_base(state, index, has_ended));
        bases.map(|base| self.node(state, base, epoch)).collect()
    }

    /// Where the node in force lies; none for one that is only staged.
    fn node_base(&self, state: &WorldState, index: u64, has_ended: bool) -> Option<u64> {
        let layout = &self.layout;
        if index >= NODES_MAX {
            return None;
        }
        let staged = layout.next_nodes + index * layout.node_slots;
        if has_ended && self.number(state, staged + layout.node.status) != 0 {
            return Some(staged);
        }
        let base = layout.nodes + index * layout.node_slots;
        (self.number(state, base + layout.node.status) != 0).then_some(base)
    }

    fn node(&self, state: &WorldState, base: u64, epoch: u64) -> EpochNode {
        let fields = &self.layout.node;
        let status = self.number(state, base + fields.status);
        let owner = self.number(state, base + fields.organisation);
        let organisation = self.layout.organisations + owner * self.layout.organisation_slots;
        let certificate = B256::from(self.word(state, base + fields.certificate));
        EpochNode {
            name: self.text(state, base + fields.name),
            organisation: self.text(state, organisation + self.layout.organisation.name),
            public_key: self.bytes(state, base + fields.key),
            account: self.address_at(state, base + fields.account),
            certificate: (!certificate.is_zero()).then_some(certificate),
            authority: self.bytes(state, organisation + self.layout.organisation.authority),
            endpoint: self.text(state, base + fields.endpoint),
            weight: u64::from(status == STATUS_VALIDATOR),
            is_linked: status != STATUS_REMOVED || self.number(state, base + fields.since) == epoch,
        }
    }

    fn word(&self, state: &WorldState, slot: u64) -> U256 {
        state.storage(&self.address, U256::from(slot))
    }

    fn number(&self, state: &WorldState, slot: u64) -> u64 {
        self.word(state, slot).saturating_to()
    }

    fn address_at(&self, state: &WorldState, slot: u64) -> Address {
        Address::from_word(B256::from(self.word(state, slot)))
    }

    /// A byte string: its length, then its bytes, 32 in each slot.
    fn bytes(&self, state: &WorldState, slot: u64) -> Bytes {
        let length = self.number(state, slot).min(TEXT_BYTES_MAX);
        let words = (1..=length.div_ceil(32)).flat_map(|at| self.word(state, slot + at).to_be_bytes::<32>());
        words.take(length as usize).collect::<Vec<u8>>().into()
    }

    fn text(&self, state: &WorldState, slot: u64) -> String {
        String::from_utf8_lossy(&self.bytes(state, slot)).into_owned()
    }
}
