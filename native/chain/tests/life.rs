//! Blocks from the pool to the seal, over restarts, and the rules that bodies must keep.
#![allow(clippy::unwrap_used)]

mod fixture;

use alloy_primitives::{B256, Bytes, TxKind, U256};
use fixture::*;
use hansa_chain::{CANDIDATES_MAX, Chain, ChainError, PAYLOAD_BYTES_MAX, STATES_KEPT, Status, verify_ledger};
use hansa_codec::encode_bundle;
use hansa_crypto::keccak256;

fn code_of<T>(result: Result<T, ChainError>) -> &'static str {
    result.err().map_or("no error", |error| error.code())
}

#[test]
fn a_chain_goes_on_where_it_stopped() {
    let scratch = Scratch::new();
    let chain = grown(&scratch.0, 6);
    let hash = keccak256(transfer(0, 3, 3));
    assert_eq!(chain.locate(&hash).unwrap(), Some((4, 0)));
    let (head, root) = (chain.head(), chain.head().state.root());
    let block = chain.block(4).unwrap().unwrap();
    assert_eq!(block.receipts[2].logs[0].data.topics(), [B256::with_last_byte(7)]);
    chain.close().unwrap();
    drop(chain);

    let chain = Chain::open(&scratch.0, &plain_genesis()).unwrap();
    assert_eq!((chain.head().sealed_hash, chain.head().time_ms), (head.sealed_hash, head.time_ms));
    assert_eq!(chain.head().state.root(), root);
    assert_eq!(chain.oldest_state(), 0);
    let again = chain.block(4).unwrap().unwrap();
    assert_eq!(
        (&again.header, &again.receipts, &again.facts),
        (&block.header, &block.receipts, &block.facts)
    );
    assert_eq!(
        (again.transactions.clone(), &again.certificate),
        (block.transactions.clone(), &block.certificate)
    );
    assert_eq!(chain.locate(&hash).unwrap(), Some((4, 0)));
    assert_eq!(chain.status_of(&hash).unwrap().0, Status::Final);
    assert!(chain.bloom_matches(4, |bloom| *bloom == block.header.logs_bloom));
    submit(&chain, vec![transfer(0, 6, 1)]);
    add_block(&chain);
    assert_eq!(chain.head().height, 7);
    assert_eq!(verify_ledger(&scratch.0, &plain_genesis(), &mut |_| {}).unwrap().findings, []);
}

#[test]
fn a_killed_process_keeps_what_was_synced() {
    let scratch = Scratch::new();
    let chain = grown(&scratch.0, 3);
    chain.sync().unwrap();
    // A body that was made durable for a vote, executed, its result never synced.
    submit(&chain, vec![transfer(0, 3, 9)]);
    let order_hash = add_block(&chain);
    let head = chain.head();
    drop(chain);

    let chain = Chain::open(&scratch.0, &plain_genesis()).unwrap();
    assert_eq!(chain.head().height, 3);
    let held: Vec<B256> = chain.unsealed_bodies().into_iter().map(|(hash, _)| hash).collect();
    assert_eq!(held, [order_hash]);
    let (order, refs) = chain.order_block(&order_hash).unwrap().unwrap();
    assert_eq!((keccak256(&order), refs), (order_hash, keccak256(transfer(0, 3, 9)).to_vec()));
    assert_eq!(chain.status_of(&keccak256(transfer(0, 3, 9))).unwrap().0, Status::Ordered);
    seal(&chain, &order_hash);
    assert_eq!(chain.head().sealed_hash, head.sealed_hash);
    assert!(chain.order_block(&order_hash).unwrap().is_some());
}

#[test]
fn many_bodies_that_nobody_sealed_do_not_keep_a_node_from_starting() {
    let scratch = Scratch::new();
    let chain = Chain::create(Some(&scratch.0), &plain_genesis()).unwrap();
    let hashes = submit(&chain, vec![transfer(0, 0, 1)]);
    let parent = chain.head().order_hash;
    let refs = hashes[0].as_slice();
    let add = |chain: &Chain, view: u64| {
        let order = order(chain, parent, 1, view, refs, 1, 21_000);
        chain.add_body(&order.encode(), refs).map(|_| order.hash())
    };
    for view in 0..CANDIDATES_MAX as u64 {
        add(&chain, view).unwrap();
    }
    assert_eq!(code_of(add(&chain, 9_999)), "BODY-LIMIT");
    chain.close().unwrap();
    drop(chain);
    let chain = Chain::open(&scratch.0, &plain_genesis()).unwrap();
    assert_eq!(chain.unsealed_bodies().len(), CANDIDATES_MAX);
}

#[test]
fn competing_bodies_live_until_one_is_sealed() {
    let chain = Chain::create(None, &plain_genesis()).unwrap();
    let hashes = submit(&chain, vec![transfer(0, 0, 1), transfer(1, 0, 1)]);
    let parent = chain.head().order_hash;
    let one = order(&chain, parent, 1, 0, hashes[0].as_slice(), 1, 21_000);
    let two = order(&chain, parent, 1, 1, hashes[1].as_slice(), 1, 21_000);
    let (one_hash, two_hash) = (one.hash(), two.hash());
    chain.add_body(&one.encode(), hashes[0].as_slice()).unwrap();
    chain.add_body(&two.encode(), hashes[1].as_slice()).unwrap();
    // A child of each, and execution ahead of any seal.
    let child = order(&chain, two_hash, 2, 1, hashes[0].as_slice(), 1, 21_000);
    chain.add_body(&child.encode(), hashes[0].as_slice()).unwrap();
    let orphan = order(&chain, one_hash, 2, 0, hashes[1].as_slice(), 1, 21_000);
    chain.add_body(&orphan.encode(), hashes[1].as_slice()).unwrap();
    assert_eq!(code_of(chain.execute(&child.hash())), "EXECUTE-PARENT");
    for hash in [one_hash, two_hash, child.hash(), orphan.hash()] {
        chain.execute(&hash).unwrap();
    }
    assert_eq!(chain.unsealed_bodies().len(), 4);
    seal(&chain, &two_hash);
    let left: Vec<B256> = chain.unsealed_bodies().into_iter().map(|(hash, _)| hash).collect();
    assert_eq!(left, [child.hash()]);
    assert_eq!(chain.status_of(&hashes[1]).unwrap().0, Status::Final);
    assert_eq!(chain.status_of(&hashes[0]).unwrap().0, Status::Ordered);
    seal(&chain, &child.hash());
    assert_eq!((chain.head().height, chain.pool().lock().status()), (2, (0, 0)));
}

#[test]
fn bodies_that_break_a_rule_are_refused_with_its_code() {
    let chain = Chain::create(None, &plain_genesis()).unwrap();
    let hashes = submit(&chain, vec![transfer(0, 0, 1), transfer(1, 0, 1)]);
    let head = chain.head().order_hash;
    let refs = [hashes[0].0, hashes[1].0].concat();
    let good = order(&chain, head, 1, 0, &refs, 2, 42_000);
    let try_body = |change: &dyn Fn(&mut hansa_codec::OrderBlock), refs: &[u8]| {
        let mut block = good.clone();
        change(&mut block);
        code_of(chain.add_body(&block.encode(), refs))
    };
    assert_eq!(try_body(&|_| {}, &refs[..32]), "BODY-REFS");
    assert_eq!(try_body(&|block| block.tx_count = 3, &refs), "BODY-COUNT");
    assert_eq!(try_body(&|block| block.gas = 1, &refs), "BODY-GAS");
    assert_eq!(try_body(&|block| block.height = 2, &refs), "BODY-HEIGHT");
    assert_eq!(try_body(&|block| block.height = 0, &refs), "BODY-SEALED");
    assert_eq!(try_body(&|block| block.parent_order_hash = B256::ZERO, &refs), "BODY-UNKNOWN-PARENT");
    assert_eq!(try_body(&|block| block.sealed_hash = B256::ZERO, &refs), "BODY-SEALED-REF");
    let twice = [hashes[0].0, hashes[0].0].concat();
    assert_eq!(try_body(&|block| block.payload_hash = keccak256(&twice), &twice), "BODY-DUPLICATE");
    let unknown = [7; 64];
    assert_eq!(try_body(&|block| block.payload_hash = keccak256(unknown), &unknown), "BODY-MISSING");
    assert_eq!(code_of(chain.add_body(b"\xc0", &refs)), "WIRE-RLP");
    chain.add_body(&good.encode(), &refs).unwrap();
    let child = order(&chain, good.hash(), 2, 0, &refs, 2, 42_000);
    assert_eq!(code_of(chain.add_body(&child.encode(), &refs)), "BODY-REPEATED");
    assert_eq!(chain.propose(&[good.hash()], limits()).1, 0);
    assert!(!chain.has_executable(&[good.hash()]) && chain.has_executable(&[]));
}

#[test]
fn declared_gas_is_bounded_by_the_header() {
    let json = genesis(|json| json["gas_limit"] = 50_000.into());
    let chain = Chain::create(None, &json).unwrap();
    let raws = (0..3).map(|user| transfer(user, 0, 1)).collect();
    let hashes = submit(&chain, raws);
    let refs: Vec<u8> = hashes.iter().flat_map(|hash| hash.0).collect();
    let block = order(&chain, chain.head().order_hash, 1, 0, &refs, 3, 63_000);
    assert_eq!(code_of(chain.add_body(&block.encode(), &refs)), "BODY-GAS-LIMIT");
}

#[test]
fn skipped_transactions_leave_no_receipt_but_a_reason() {
    let scratch = Scratch::new();
    let chain = Chain::create(Some(&scratch.0), &plain_genesis()).unwrap();
    let (early, late) = (transfer(0, 0, 1), transfer(0, 5, 1));
    let hashes = submit(&chain, vec![early, late]);
    let refs = [hashes[1].0, hashes[0].0].concat();
    let block = order(&chain, chain.head().order_hash, 1, 0, &refs, 2, 42_000);
    let order_hash = chain.add_body(&block.encode(), &refs).unwrap();
    seal(&chain, &order_hash);
    let check = |chain: &Chain| {
        let sealed = chain.block(1).unwrap().unwrap();
        assert_eq!(sealed.skipped, [(hashes[1], "SKIP-NONCE-HIGH")]);
        assert_eq!((sealed.transactions.len(), sealed.receipts.len()), (1, 1));
        assert_eq!(chain.locate(&hashes[1]).unwrap(), None);
        assert_eq!(chain.locate(&hashes[0]).unwrap(), Some((1, 0)));
    };
    check(&chain);
    assert_eq!(chain.status_of(&hashes[1]).unwrap().0, Status::Pending);
    chain.close().unwrap();
    drop(chain);
    check(&Chain::open(&scratch.0, &plain_genesis()).unwrap());
    assert_eq!(verify_ledger(&scratch.0, &plain_genesis(), &mut |_| {}).unwrap().findings, []);
}

#[test]
fn seals_follow_the_head_and_name_what_was_executed() {
    let chain = Chain::create(None, &plain_genesis()).unwrap();
    let block = order(&chain, chain.head().order_hash, 1, 0, &[], 0, 0);
    let order_hash = chain.add_body(&block.encode(), &[]).unwrap();
    let wrong = certificate(&chain, 1, B256::ZERO, 3);
    assert_eq!(code_of(chain.seal(1, &wrong)), "SEAL-UNKNOWN");
    let done = chain.execute(&order_hash).unwrap();
    assert_eq!(chain.execute(&order_hash).unwrap(), done);
    assert_eq!(code_of(chain.seal(1, &wrong)), "SEAL-RESULT");
    let right = certificate(&chain, 1, done.sealed_hash, 3);
    assert_eq!(code_of(chain.seal(2, &right)), "SEAL-HEIGHT");
    chain.seal(1, &right).unwrap();
    chain.seal(1, &right).unwrap();
    assert_eq!(code_of(chain.execute(&order_hash)), "EXECUTE-UNKNOWN");
    assert_eq!(chain.block(1).unwrap().unwrap().header.beneficiary, account(&validator_secret(1)));
}

#[test]
fn what_a_proposal_asked_for_is_kept_even_if_the_pool_refuses_it() {
    let chain = Chain::create(None, &plain_genesis()).unwrap();
    // Beyond its funds: the pool refuses it, a leader may have ordered it all the same.
    let poor = {
        use alloy_consensus::{EthereumTypedTransaction, TxLegacy};
        let value = U256::MAX;
        let to = TxKind::Call(Default::default());
        let (chain_id, input) = (Some(CHAIN_ID), Bytes::new());
        let fields = TxLegacy { chain_id, nonce: 0, gas_price: 0, gas_limit: 21_000, to, value, input };
        hansa_codec::sign_transaction(EthereumTypedTransaction::Legacy(fields), &user_secret(0)).unwrap()
    };
    let bundle = encode_bundle([&poor.raw]);
    assert_eq!(chain.add_bundle(1, &bundle).unwrap(), (0, 1));
    let refs = poor.hash.0;
    assert_eq!(chain.missing(&refs).unwrap(), [poor.hash]);
    chain.add_bundle(1, &bundle).unwrap();
    assert_eq!(chain.missing(&refs).unwrap(), [] as [B256; 0]);
    assert_eq!(chain.payload(&refs).unwrap(), bundle);
    let block = order(&chain, chain.head().order_hash, 1, 0, &refs, 1, 21_000);
    let order_hash = chain.add_body(&block.encode(), &refs).unwrap();
    assert_eq!(chain.missing(&refs).unwrap(), [] as [B256; 0]);
    seal(&chain, &order_hash);
    assert_eq!(chain.block(1).unwrap().unwrap().skipped, [(poor.hash, "SKIP-FUNDS")]);
    let (status, reason) = chain.status_of(&poor.hash).unwrap();
    assert_eq!(status, Status::Dropped);
    assert!(reason.unwrap().starts_with("DROP-SKIPPED"));
}

#[test]
fn refusals_carry_a_reason() {
    let chain = Chain::create(None, &plain_genesis()).unwrap();
    let raw = transaction(0, 0, TxKind::Create, Bytes::from(vec![1; 100]), 21_000);
    assert_eq!(chain.submit(vec![raw.clone()])[0].as_ref().unwrap_err().code(), "POOL-INTRINSIC-GAS");
    let (status, reason) = chain.status_of(&keccak256(&raw)).unwrap();
    assert_eq!((status, reason.as_deref()), (Status::Refused, Some("POOL-INTRINSIC-GAS")));
    assert_eq!(chain.status_of(&B256::ZERO).unwrap().0, Status::Unknown);
}

#[test]
fn old_states_go_and_a_restart_keeps_the_rest() {
    let scratch = Scratch::new();
    let chain = Chain::create(Some(&scratch.0), &plain_genesis()).unwrap();
    let blocks = STATES_KEPT + 20;
    for nonce in 0..blocks {
        submit(&chain, vec![transfer(0, nonce, 1)]);
        add_block(&chain);
    }
    assert_eq!(chain.oldest_state(), blocks - STATES_KEPT);
    assert_eq!(code_of(chain.state_at(1).map(|_| ())), "STATE-PRUNED");
    let balances: Vec<U256> = (chain.oldest_state()..=blocks)
        .map(|height| chain.state_at(height).unwrap().account(&account(&user_secret(0))).unwrap().balance)
        .collect();
    assert_eq!(balances[0] - balances[1], U256::from(1));
    assert_eq!(chain.checkpoint().unwrap(), blocks - STATES_KEPT);
    chain.close().unwrap();
    drop(chain);
    let chain = Chain::open(&scratch.0, &plain_genesis()).unwrap();
    assert_eq!(chain.oldest_state(), blocks - STATES_KEPT);
    for (nth, balance) in balances.iter().enumerate() {
        let height = blocks - STATES_KEPT + nth as u64;
        let state = chain.state_at(height).unwrap();
        assert_eq!(state.account(&account(&user_secret(0))).unwrap().balance, *balance);
        assert_eq!(state.root(), chain.block(height).unwrap().unwrap().header.state_root);
    }
}

#[test]
fn folders_are_guarded() {
    let scratch = Scratch::new();
    let json = plain_genesis();
    assert_eq!(code_of(Chain::open(&scratch.0, &json).map(|_| ())), "CHAIN-MISSING");
    let chain = grown(&scratch.0, 1);
    assert_eq!(code_of(Chain::open(&scratch.0, &json).map(|_| ())), "CHAIN-LOCKED");
    chain.close().unwrap();
    drop(chain);
    assert_eq!(code_of(Chain::create(Some(&scratch.0), &json).map(|_| ())), "CHAIN-EXISTS");
    let other = genesis(|json| json["timestamp_ms"] = 5.into());
    assert_eq!(code_of(Chain::open(&scratch.0, &other).map(|_| ())), "LOG-FOREIGN");
    let richer =
        genesis(|json| json["alloc"]["0x00000000000000000000000000000000000000ff"] = serde_json::json!({}));
    assert_eq!(code_of(Chain::open(&scratch.0, &richer).map(|_| ())), "GENESIS-MISMATCH");
    // Another layout of the same facts is the same genesis.
    let value: serde_json::Value = serde_json::from_slice(&json).unwrap();
    let spaced = serde_json::to_vec_pretty(&value).unwrap();
    assert_eq!(Chain::open(&scratch.0, &spaced).unwrap().head().height, 1);
}

#[test]
fn an_empty_log_of_a_killed_birth_begins_again() {
    let scratch = Scratch::new();
    let json = plain_genesis();
    let chain = Chain::create(Some(&scratch.0), &json).unwrap();
    drop(chain);
    std::fs::write(scratch.0.join("blocks/00000000.seg"), []).unwrap();
    std::fs::remove_file(scratch.0.join("blocks/00000000.seg")).unwrap();
    std::fs::write(scratch.0.join("blocks/next.tmp"), [0; 100]).unwrap();
    let chain = Chain::open(&scratch.0, &json).unwrap();
    assert_eq!(chain.head().height, 0);
    drop(chain);
    assert_eq!(verify_ledger(&scratch.0, &json, &mut |_| {}).unwrap().findings, []);
}

#[test]
fn malformed_genesis_names_the_field() {
    let said = |json: Vec<u8>| Chain::create(None, &json).err().unwrap().to_string();
    assert!(said(b"{".to_vec()).starts_with("genesis.json: "));
    assert!(said(genesis(|json| json["version"] = 2.into())).contains("version 2"));
    assert!(said(genesis(|json| json["rules"]["evm"] = "byzantium".into())).contains("byzantium"));
    assert!(said(genesis(|json| json["rules"]["suite"] = 9.into())).contains("suite 9"));
    assert!(said(genesis(|json| json["validators"] = serde_json::json!([]))).contains("0 validators"));
    assert!(said(genesis(|json| json["validators"][1] = json["validators"][0].clone())).contains("same key"));
    assert!(
        said(genesis(|json| json["validators"][2]["public_key"] = "0x02".into())).contains("validator 2")
    );
    assert!(said(genesis(|json| json["alloc"]["nobody"] = serde_json::json!({}))).contains("alloc"));
    assert!(
        said(genesis(|json| {
            json.as_object_mut().unwrap().remove("alloc");
        }))
        .contains("alloc is missing")
    );
}

/// 27 transactions of 120,000 zero bytes; five senders.
fn bulky(chain: &Chain) -> Vec<B256> {
    let data = Bytes::from(vec![0; 120_000]);
    let to = TxKind::Call(Default::default());
    let raws = (0..27).map(|nth| transaction(nth % 5, u64::from(nth / 5), to, data.clone(), 1_221_000));
    submit(chain, raws.collect())
}

#[test]
fn a_body_fits_into_one_message_of_sync() {
    let chain = Chain::create(None, &genesis(|json| json["gas_limit"] = 1_000_000_000.into())).unwrap();
    let hashes = bulky(&chain);
    let head = chain.head().order_hash;
    let refs: Vec<u8> = hashes.iter().flat_map(|hash| hash.0).collect();
    let block = order(&chain, head, 1, 0, &refs, 27, 27 * 1_221_000);
    assert_eq!(code_of(chain.add_body(&block.encode(), &refs)), "BODY-BYTES");
    let refs = &refs[..26 * 32];
    let block = order(&chain, head, 1, 0, refs, 26, 26 * 1_221_000);
    let order_hash = chain.add_body(&block.encode(), refs).unwrap();
    seal(&chain, &order_hash);
    assert_eq!(chain.export_blocks(1, 1, 1).unwrap().len(), 1);
}

#[test]
fn an_answer_with_payload_is_bounded_whatever_is_asked_for() {
    let chain = Chain::create(None, &genesis(|json| json["gas_limit"] = 1_000_000_000.into())).unwrap();
    let mut hashes = bulky(&chain);
    let again = hashes[0].0.repeat(1_000);
    assert_eq!(chain.payload(&again).unwrap(), chain.payload(&hashes[0].0).unwrap());
    let data = Bytes::from(vec![0; 120_000]);
    let to = TxKind::Call(Default::default());
    let more = (0..10).map(|nth| transaction(5 + nth % 5, u64::from(nth / 5), to, data.clone(), 1_221_000));
    hashes.extend(submit(&chain, more.collect()));
    let all: Vec<u8> = hashes.iter().flat_map(|hash| hash.0).collect();
    let answer = chain.payload(&all).unwrap();
    assert!(answer.len() <= PAYLOAD_BYTES_MAX && answer.len() > PAYLOAD_BYTES_MAX - 130_000);
}
