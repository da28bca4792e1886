//! Nodes as RLP.

use alloy_primitives::B256;

use super::node::{Branch, Leaf, LeafValue};
use super::reference::Reference;

pub(super) const RLP_STRING: u8 = 0x80;
pub(super) const RLP_LIST: u8 = 0xc0;
pub(super) const RLP_HASH: u8 = 0xa0;
const RLP_SHORT_MAX: usize = 55;

/// Room for a branch of sixteen hashes.
pub(super) const NODE_BYTES: usize = 532;

/// Appends a leaf's RLP, \[path, value\]; `depth` nibbles of the key lie above it. `value` is room
/// to work in.
pub(super) fn encode_leaf<V: LeafValue>(
    leaf: &Leaf<V>,
    depth: usize,
    value: &mut Vec<u8>,
    out: &mut Vec<u8>,
) {
    let mut path = [0u8; 33];
    let path = encode_key_path(&leaf.key, depth, &mut path);
    value.clear();
    leaf.value.encode_value(value);
    push_list_header(string_len(path) + string_len(value), out);
    push_string(path, out);
    push_string(value, out);
}

/// Appends a branch's own RLP, without its prefix: sixteen references and an empty value. `depth`
/// nibbles lie above the branch. Children that have no reference yet get it.
pub(super) fn encode_branch<V: LeafValue>(branch: &Branch<V>, depth: usize, out: &mut Vec<u8>) {
    let below = branch.depth_below(depth);
    let mut filled = 0;
    let mut references = [const { None::<&Reference> }; 16];
    for (nibble, child) in branch.children() {
        let reference = child.reference(below);
        filled += reference.len();
        references[usize::from(nibble)] = Some(reference);
    }
    let count = references.iter().flatten().count();
    push_list_header(filled + 17 - count, out);
    for reference in references {
        match reference {
            Some(reference) => reference.push_to(out),
            None => out.push(RLP_STRING),
        }
    }
    out.push(RLP_STRING);
}

/// Appends an extension's RLP: \[path, reference\].
pub(super) fn encode_extension(prefix: &[u8], inner: &Reference, out: &mut Vec<u8>) {
    let mut path = [0u8; 33];
    let odd = prefix.len() % 2;
    path[0] = if odd == 1 { 0x10 | prefix[0] } else { 0x00 };
    let pairs = prefix[odd..].chunks_exact(2);
    let size = 1 + pairs.len();
    for (byte, pair) in path[1..].iter_mut().zip(pairs) {
        *byte = (pair[0] << 4) | pair[1];
    }
    push_list_header(string_len(&path[..size]) + inner.len(), out);
    push_string(&path[..size], out);
    inner.push_to(out);
}

/// The hex-prefix encoding of a leaf's remaining path.
fn encode_key_path<'a>(key: &B256, depth: usize, out: &'a mut [u8; 33]) -> &'a [u8] {
    let rest = &key.0[depth / 2..];
    if depth.is_multiple_of(2) {
        out[0] = 0x20;
        out[1..=rest.len()].copy_from_slice(rest);
        &out[..=rest.len()]
    } else {
        out[..rest.len()].copy_from_slice(rest);
        out[0] = 0x30 | (rest[0] & 0x0f);
        &out[..rest.len()]
    }
}

fn string_len(bytes: &[u8]) -> usize {
    match bytes {
        [byte] if *byte < RLP_STRING => 1,
        _ => header_len(bytes.len()) + bytes.len(),
    }
}

fn header_len(len: usize) -> usize {
    if len <= RLP_SHORT_MAX { 1 } else { 1 + significant_bytes(len) }
}

fn significant_bytes(len: usize) -> usize {
    (usize::BITS - len.leading_zeros()).div_ceil(8) as usize
}

fn push_string(bytes: &[u8], out: &mut Vec<u8>) {
    if !matches!(bytes, [byte] if *byte < RLP_STRING) {
        push_header(RLP_STRING, bytes.len(), out);
    }
    out.extend_from_slice(bytes);
}

fn push_list_header(len: usize, out: &mut Vec<u8>) {
    push_header(RLP_LIST, len, out);
}

fn push_header(base: u8, len: usize, out: &mut Vec<u8>) {
    let size = significant_bytes(len);
    match len {
        // Both casts keep values below 56 and at most 8.
        0..=RLP_SHORT_MAX => out.push(base + len as u8),
        _ => {
            out.push(base + RLP_SHORT_MAX as u8 + size as u8);
            out.extend_from_slice(&len.to_be_bytes()[8 - size..]);
        }
    }
}
