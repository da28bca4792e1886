//! What is asked for and answered, as bytes. Integers are little-endian; every decoder is total and reads to the end.
//!
//! ```text
//! task    1 · name 33 · nibbles u8 · a nibble a byte                       accounts at a place
//!         2 · account's key 32 · name 33 · nibbles u8 · a nibble a byte    its slots at a place
//!         3 · count u16 · hash 32 each                                     codes
//! chunk   1 · count u32 · [key 32 · length u8 · packed account ·
//!             0 | 1 · count u8 · slots]                                    accounts; slots of those that have few
//!         2 · count u32 · slots                                            slots, [key 32 · length u8 · value] each
//!         3 · length u16 · extension · length u16 · branch                 the node at the place
//!         4 · count u16 · [length u32 · code]                              codes
//! ```

use alloy_primitives::{B256, Bytes};

use crate::trie::subtrie::{NAME_BYTES, Place};

/// Leaves of about so many bytes are answered at once; more are split.
pub const CHUNK_BYTES: usize = 512 << 10;
/// No chunk is larger: one code of the largest size beyond [`CHUNK_BYTES`] (EIP-170 allows 24 KiB, `dev` may more).
pub const CHUNK_BYTES_MAX: usize = 2 << 20;
/// Slots that stand beside their account; those of accounts with more are asked for by themselves.
pub const SLOTS_BESIDE_MAX: usize = 64;
/// Codes asked for at once.
pub const CODES_MAX: usize = 64;

const ACCOUNTS: u8 = 1;
const SLOTS: u8 = 2;
const SPLIT: u8 = 3;
const CODES: u8 = 4;
const TASK_CODES: u8 = 3;

/// A key of a trie and its packed value.
pub type PackedLeaf = (B256, Vec<u8>);

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Task {
    /// Accounts at a place.
    Accounts(TriePlace),
    /// Slots of the account with that key at a place.
    Slots(B256, TriePlace),
    /// Codes with these hashes.
    Codes(Vec<B256>),
}

/// Where a part of a trie hangs, and its name there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TriePlace(pub(crate) Place);

/// An account's leaf as it travels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountEntry {
    /// keccak-256 of its address.
    pub key: B256,
    /// Its packed leaf.
    pub packed: Vec<u8>,
    /// All its slots, where they stand beside it.
    pub slots: Option<Vec<PackedLeaf>>,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Chunk {
    /// All accounts at the place.
    Accounts(Vec<AccountEntry>),
    /// All slots at the place.
    Slots(Vec<PackedLeaf>),
    /// The node at the place: RLP of its extension, empty where it has none, and of its branch.
    Split(Vec<u8>, Vec<u8>),
    /// Codes, as many of those asked for from the first on as fit.
    Codes(Vec<Bytes>),
}

impl Task {
    /// All accounts of a state.
    pub fn whole(root: &B256) -> Self {
        Self::Accounts(TriePlace(Place::whole(root)))
    }

    /// The bytes of a task.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(128);
        match self {
            Self::Accounts(place) => {
                out.push(ACCOUNTS);
                put_place(place, &mut out);
            }
            Self::Slots(account, place) => {
                out.push(SLOTS);
                out.extend_from_slice(account.as_slice());
                put_place(place, &mut out);
            }
            Self::Codes(hashes) => {
                out.push(TASK_CODES);
                out.extend_from_slice(&(hashes.len() as u16).to_le_bytes());
                hashes.iter().for_each(|hash| out.extend_from_slice(hash.as_slice()));
            }
        }
        out
    }

    /// The task of bytes; none where they are of none.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let task = match reader.byte()? {
            ACCOUNTS => Self::Accounts(reader.place()?),
            SLOTS => Self::Slots(reader.hash()?, reader.place()?),
            TASK_CODES => {
                let count = usize::from(u16::from_le_bytes(reader.array()?));
                if count == 0 || count > CODES_MAX {
                    return None;
                }
                Self::Codes((0..count).map(|_| reader.hash()).collect::<Option<_>>()?)
            }
            _ => return None,
        };
        reader.0.is_empty().then_some(task)
    }
}

impl Chunk {
    /// The bytes of a chunk.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Self::Accounts(entries) => {
                out.push(ACCOUNTS);
                out.extend_from_slice(&(entries.len() as u32).to_le_bytes());
                entries.iter().for_each(|entry| put_account(entry, &mut out));
            }
            Self::Slots(slots) => {
                out.push(SLOTS);
                out.extend_from_slice(&(slots.len() as u32).to_le_bytes());
                slots.iter().for_each(|slot| put_leaf(slot, &mut out));
            }
            Self::Split(extension, branch) => {
                out.push(SPLIT);
                for node in [extension, branch] {
                    out.extend_from_slice(&(node.len() as u16).to_le_bytes());
                    out.extend_from_slice(node);
                }
            }
            Self::Codes(codes) => {
                out.push(CODES);
                out.extend_from_slice(&(codes.len() as u16).to_le_bytes());
                for code in codes {
                    out.extend_from_slice(&(code.len() as u32).to_le_bytes());
                    out.extend_from_slice(code);
                }
            }
        }
        out
    }

    /// The chunk of bytes; none where they are of none, or too many.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > CHUNK_BYTES_MAX {
            return None;
        }
        let mut reader = Reader(bytes);
        let chunk = match reader.byte()? {
            ACCOUNTS => {
                let count = reader.count(35)?;
                Self::Accounts((0..count).map(|_| reader.account()).collect::<Option<_>>()?)
            }
            SLOTS => {
                let count = reader.count(34)?;
                Self::Slots((0..count).map(|_| reader.leaf()).collect::<Option<_>>()?)
            }
            SPLIT => Self::Split(reader.node()?, reader.node()?),
            CODES => {
                let count = usize::from(u16::from_le_bytes(reader.array()?));
                let code = |reader: &mut Reader<'_>| {
                    let length = u32::from_le_bytes(reader.array()?) as usize;
                    reader.take(length).map(Bytes::copy_from_slice)
                };
                Self::Codes((0..count).map(|_| code(&mut reader)).collect::<Option<_>>()?)
            }
            _ => return None,
        };
        reader.0.is_empty().then_some(chunk)
    }
}

fn put_place(place: &TriePlace, out: &mut Vec<u8>) {
    let path = place.0.path();
    out.extend_from_slice(place.0.name());
    // Fewer than the nibbles of a key.
    out.push(path.len() as u8);
    out.extend_from_slice(path);
}

fn put_leaf((key, value): &PackedLeaf, out: &mut Vec<u8>) {
    out.extend_from_slice(key.as_slice());
    // At most VALUE_BYTES_MAX.
    out.push(value.len() as u8);
    out.extend_from_slice(value);
}

fn put_account(entry: &AccountEntry, out: &mut Vec<u8>) {
    out.extend_from_slice(entry.key.as_slice());
    out.push(entry.packed.len() as u8);
    out.extend_from_slice(&entry.packed);
    match &entry.slots {
        None => out.push(0),
        Some(slots) => {
            // At most SLOTS_BESIDE_MAX.
            out.extend_from_slice(&[1, slots.len() as u8]);
            slots.iter().for_each(|slot| put_leaf(slot, out));
        }
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn byte(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn hash(&mut self) -> Option<B256> {
        self.array().map(B256::new)
    }

    /// A count of items of at least `size` bytes, never more than the bytes left can hold.
    fn count(&mut self, size: usize) -> Option<usize> {
        let count = u32::from_le_bytes(self.array()?) as usize;
        (count <= self.0.len() / size).then_some(count)
    }

    fn place(&mut self) -> Option<TriePlace> {
        let name = self.array::<NAME_BYTES>()?;
        let nibbles = usize::from(self.byte()?);
        Place::below(self.take(nibbles)?, name).map(TriePlace)
    }

    fn leaf(&mut self) -> Option<PackedLeaf> {
        let key = self.hash()?;
        let length = usize::from(self.byte()?);
        (length <= crate::trie::VALUE_BYTES_MAX).then_some(())?;
        Some((key, self.take(length)?.to_vec()))
    }

    fn account(&mut self) -> Option<AccountEntry> {
        let (key, packed) = self.leaf()?;
        let slots = match self.byte()? {
            0 => None,
            1 => {
                let count = usize::from(self.byte()?);
                (count <= SLOTS_BESIDE_MAX).then_some(())?;
                Some((0..count).map(|_| self.leaf()).collect::<Option<_>>()?)
            }
            _ => return None,
        };
        Some(AccountEntry { key, packed, slots })
    }

    fn node(&mut self) -> Option<Vec<u8>> {
        let length = usize::from(u16::from_le_bytes(self.array()?));
        self.take(length).map(<[u8]>::to_vec)
    }
}
