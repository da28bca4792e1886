//! Nodes as RLP.

use super::node::{KEY_BYTES, Leaf, LeafValue, Masks, NodeRef, REF_BYTES, places};
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
    leaf: Leaf<'_>,
    depth: usize,
    value: &mut Vec<u8>,
    out: &mut Vec<u8>,
) {
    let mut path = [0u8; 33];
    let path = encode_key_path(leaf.key, depth, &mut path);
    value.clear();
    V::encode_packed(leaf.value, value);
    push_list_header(string_len(path) + string_len(value), out);
    push_string(path, out);
    push_string(value, out);
}

/// Appends a branch's own RLP, without its prefix: sixteen references, all of them up to date, and
/// an empty value.
pub(super) fn encode_branch(branch: NodeRef<'_>, out: &mut Vec<u8>) {
    let masks = branch.masks();
    let references = branch.references(&masks).chunks_exact(REF_BYTES);
    if masks.embedded != 0 {
        return encode_branch_with_embedded(branch, &masks, out);
    }
    // Every reference is a hash of 33 bytes, every other place and the value one byte.
    push_list_header(17 + 32 * references.len(), out);
    let mut references = references;
    for place in 0..16 {
        match masks.children() & (1 << place) {
            0 => out.push(RLP_STRING),
            _ => references.by_ref().take(1).for_each(|hash| {
                out.push(RLP_HASH);
                out.extend_from_slice(hash);
            }),
        }
    }
    out.push(RLP_STRING);
}

fn encode_branch_with_embedded(branch: NodeRef<'_>, masks: &Masks, out: &mut Vec<u8>) {
    let children = masks.children();
    let filled: usize = places(children).map(|place| branch.reference(masks, place).len()).sum();
    push_list_header(filled + 17 - children.count_ones() as usize, out);
    for place in 0..16 {
        match children & (1 << place) {
            0 => out.push(RLP_STRING),
            _ => branch.reference(masks, place).push_to(out),
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
fn encode_key_path<'a>(key: &[u8; KEY_BYTES], depth: usize, out: &'a mut [u8; 33]) -> &'a [u8] {
    let rest = &key[depth / 2..];
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
