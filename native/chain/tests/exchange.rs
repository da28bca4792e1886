//! Blocks between nodes: whole, forged, out of order.
#![allow(clippy::unwrap_used)]

mod fixture;

use fixture::*;
use hansa_chain::{Chain, ChainError, ExportedBlock, Imported};
use hansa_codec::Certificate;

fn code_of(result: Result<Imported, ChainError>) -> &'static str {
    result.err().map_or("no error", |error| error.code())
}

fn exported(blocks: u64) -> (Chain, Vec<Vec<u8>>) {
    let scratch = Scratch::new();
    let chain = grown(&scratch.0, blocks);
    let all = chain.export_blocks(1, 1_000, 1 << 30).unwrap();
    assert_eq!(all.len() as u64, blocks);
    (chain, all)
}

#[test]
fn a_second_node_reaches_the_same_head_by_importing() {
    let (chain, blocks) = exported(5);
    let other = Chain::create(None, &plain_genesis()).unwrap();
    for (nth, block) in blocks.iter().enumerate() {
        let done = other.import_block(block).unwrap();
        assert_eq!(done.height, nth as u64 + 1);
        assert_eq!(Some(done.sealed_hash), chain.hash_at(done.height));
        assert_eq!(done.certificate, chain.block(done.height).unwrap().unwrap().certificate);
    }
    assert_eq!(other.head().sealed_hash, chain.head().sealed_hash);
    assert_eq!(other.head().order_hash, chain.head().order_hash);
    assert_eq!(other.import_block(&blocks[2]).unwrap().height, 3);
    assert_eq!(other.export_blocks(1, 1_000, 1 << 30).unwrap(), blocks);
}

#[test]
fn exports_keep_to_their_limits_but_always_make_progress() {
    let (chain, blocks) = exported(5);
    assert_eq!(chain.export_blocks(2, 2, 1 << 30).unwrap(), blocks[1..3]);
    assert_eq!(chain.export_blocks(1, 100, 1).unwrap(), blocks[..1]);
    assert_eq!(chain.export_blocks(1, 100, blocks[0].len() + blocks[1].len()).unwrap(), blocks[..2]);
    assert!(chain.export_blocks(6, 100, 1 << 30).unwrap().is_empty());
    assert_eq!(chain.export_blocks(0, 1, 1 << 30).unwrap(), blocks[..1]);
}

#[test]
fn blocks_out_of_order_or_on_another_branch_are_refused() {
    let (_, blocks) = exported(3);
    let other = Chain::create(None, &plain_genesis()).unwrap();
    assert_eq!(code_of(other.import_block(&blocks[1])), "BLOCK-GAP");
    submit(&other, vec![transfer(5, 0, 5)]);
    add_block(&other);
    assert_eq!(code_of(other.import_block(&blocks[0])), "BLOCK-CONFLICT");
    assert_eq!(code_of(other.import_block(&blocks[1])), "BODY-UNKNOWN-PARENT");
}

#[test]
fn certificates_need_a_quorum_of_valid_signatures() {
    let (chain, blocks) = exported(1);
    let other = Chain::create(None, &plain_genesis()).unwrap();
    let (height, hash) = (1, chain.hash_at(1).unwrap());
    let reseal = |certificate: &[u8]| {
        let old = ExportedBlock::decode(&blocks[0]).unwrap().certificate_bytes;
        let body = &blocks[0][..blocks[0].len() - old.len() - 4];
        [body, &(certificate.len() as u32).to_be_bytes(), certificate].concat()
    };
    assert_eq!(
        code_of(other.import_block(&reseal(&certificate(&chain, height, hash, 2)))),
        "BLOCK-CERTIFICATE"
    );
    let mut forged = Certificate::decode(&certificate(&chain, height, hash, 3)).unwrap();
    forged.signatures[2].signature = forged.signatures[1].signature;
    assert_eq!(code_of(other.import_block(&reseal(&forged.encode()))), "BLOCK-CERTIFICATE");
    let mut stranger = Certificate::decode(&certificate(&chain, height, hash, 3)).unwrap();
    stranger.signatures[2].signer = 9;
    assert_eq!(code_of(other.import_block(&reseal(&stranger.encode()))), "BLOCK-CERTIFICATE");
    assert_eq!(code_of(other.import_block(&reseal(&certificate(&chain, 2, hash, 3)))), "BLOCK-FORM");
    other.import_block(&reseal(&certificate(&chain, height, hash, 4))).unwrap();
}

#[test]
fn any_changed_byte_of_a_travelling_block_is_refused() {
    let (_, blocks) = exported(1);
    let other = Chain::create(None, &plain_genesis()).unwrap();
    for at in 0..blocks[0].len() {
        let mut bad = blocks[0].clone();
        bad[at] ^= 1 << (at % 8);
        assert_ne!(code_of(other.import_block(&bad)), "no error", "byte {at}");
        assert_eq!(other.head().height, 0);
    }
    for length in 0..blocks[0].len() {
        assert_ne!(code_of(other.import_block(&blocks[0][..length])), "no error");
    }
    // And none of them left anything behind that keeps the good one out.
    assert_eq!(other.import_block(&blocks[0]).unwrap().height, 1);
}

#[test]
fn a_certified_result_that_own_execution_does_not_give_is_told_apart() {
    let (chain, blocks) = exported(1);
    let other = Chain::create(None, &plain_genesis()).unwrap();
    let block = ExportedBlock::decode(&blocks[0]).unwrap();
    let mut header = block.header.clone();
    header.state_root.0[0] ^= 1;
    let certificate = certificate(&chain, 1, header.hash_slow(), 3);
    let mut forged = vec![1];
    for part in [block.body.encode(), alloy_rlp::encode(&header), certificate] {
        forged.extend_from_slice(&(part.len() as u32).to_be_bytes());
        forged.extend_from_slice(&part);
    }
    let refused = other.import_block(&forged).err().unwrap();
    assert_eq!(refused.code(), "BLOCK-RESULT");
    assert!(refused.to_string().contains("stateRoot"));
    other.import_block(&blocks[0]).unwrap();
}

#[test]
fn another_alliance_has_other_certificates() {
    let (chain, blocks) = exported(1);
    let json = genesis(|json| json["name"] = "another".into());
    let other = Chain::create(None, &json).unwrap();
    assert_ne!(other.genesis_hash(), chain.genesis_hash());
    assert_eq!(code_of(other.import_block(&blocks[0])), "BLOCK-CERTIFICATE");
}
