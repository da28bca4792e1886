//! The block executor: what is in the block, what is skipped, what the header says.
#![allow(clippy::unwrap_used)]

mod support;

use alloy_consensus::{EMPTY_OMMER_ROOT_HASH, proofs};
use alloy_eips::eip2935::{HISTORY_STORAGE_ADDRESS, HISTORY_STORAGE_CODE};
use alloy_eips::eip7685::EMPTY_REQUESTS_HASH;
use alloy_primitives::{B64, B256, Bytes, U256, bytes};
use alloy_trie::EMPTY_ROOT_HASH;
use hansa_codec::{OrderBlock, Recovered, mix_hash};
use hansa_crypto::keccak256;
use hansa_evm::block::block_facts;
use hansa_evm::{BlockContext, BlockOutcome, ChainRules, SkipReason, Spec, execute_block};
use hansa_state::WorldState;
use support::*;

fn run(rules: &ChainRules, state: &WorldState, transactions: &[Recovered]) -> BlockOutcome {
    let outcome = execute_block(rules, &block(1), state, transactions).unwrap();
    // The diff alone carries the state over the block.
    let mut again = state.clone();
    again.apply(&outcome.diff);
    assert_eq!(again.root(), outcome.header.state_root);
    assert_replaced(state, &outcome);
    assert_eq!(outcome.header.hash_slow(), outcome.hash);
    assert_eq!(outcome.included.len(), outcome.receipts.len());
    assert_eq!(outcome.included.len() + outcome.skipped.len(), transactions.len());
    outcome
}

fn skip(rules: &ChainRules, state: &WorldState, transaction: Call) -> SkipReason {
    let outcome = run(rules, state, &[transaction.build()]);
    assert!(outcome.diff.is_empty());
    assert_eq!(outcome.header.transactions_root, EMPTY_ROOT_HASH);
    outcome.skipped.into_iter().next().unwrap().1
}

#[test]
fn a_transfer_moves_wei_and_costs_nothing_without_fees() {
    let state = state([(account(1), funded(ETHER))]);
    let transfer = Call::new(account(1), 0, account(2)).value(5).price(100 * GWEI).build();
    let outcome = run(&rules(), &state, &[transfer]);
    assert_eq!(outcome.state.account(&account(1)).unwrap().balance, U256::from(ETHER - 5));
    assert!(outcome.replaced.is_some());
    assert_eq!(outcome.state.account(&account(2)).unwrap().balance, U256::from(5));
    assert_eq!(outcome.state.account(&account(0xbe)), None);
    assert_eq!((outcome.gas_used, outcome.header.base_fee_per_gas), (21_000, Some(0)));
    // The state given is another version.
    assert_eq!(state.account(&account(2)), None);
}

#[test]
fn without_fees_only_the_value_must_be_there_whatever_was_signed() {
    let state = state([(account(1), funded(5)), (account(9), contract(&READ_ENV))]);
    let poor = Call::new(account(1), 0, account(2)).value(5).price(u128::from(u64::MAX)).tip(GWEI).build();
    let penniless = Call::new(account(3), 0, account(9)).price(GWEI).build();
    let outcome = run(&rules(), &state, &[poor, penniless]);
    assert_eq!(outcome.skipped, []);
    // GASPRICE and BASEFEE are 0 inside.
    assert_eq!(outcome.state.storage(&account(9), U256::ZERO), U256::ZERO);
    assert_eq!(outcome.state.storage(&account(9), U256::ONE), U256::ONE);
    let randao = U256::from_be_bytes(B256::repeat_byte(0x77).0);
    assert_eq!(outcome.state.storage(&account(9), U256::from(2)), randao);
}

#[test]
fn ethereum_fees_burn_the_base_fee_and_pay_the_tip() {
    let state = state([(account(1), funded(ETHER))]);
    let context = BlockContext { base_fee: 7, ..block(1) };
    let transfer = Call::new(account(1), 0, account(2)).value(1).gas(21_000).price(100).tip(3).build();
    let outcome = execute_block(&fee_rules(), &context, &state, &[transfer]).unwrap();
    let paid = 21_000 * 10 + 1;
    assert_eq!(outcome.state.account(&account(1)).unwrap().balance, U256::from(ETHER - paid));
    assert_eq!(outcome.state.account(&account(0xbe)).unwrap().balance, U256::from(21_000 * 3));
    let low = Call::new(account(1), 0, account(2)).price(6).build();
    let outcome = execute_block(&fee_rules(), &context, &state, &[low]).unwrap();
    assert_eq!(outcome.skipped[0].1, SkipReason::FeeTooLow);
}

#[test]
fn invalid_transactions_are_skipped_and_say_why() {
    let state = state([(account(1), funded(100)), (account(2), contract(&STORE))]);
    let rules = rules();
    let call = |nonce| Call::new(account(1), nonce, account(9));
    let high = skip(&rules, &state, call(3));
    assert_eq!(high, SkipReason::NonceTooHigh { tx: 3, state: 0 });
    assert!(high.returns_to_pool());
    let funds = skip(&rules, &state, call(0).value(101));
    assert_eq!(funds, SkipReason::InsufficientFunds { balance: U256::from(100), needed: U256::from(101) });
    assert!(!funds.returns_to_pool());
    let low = skip(&rules, &state, call(0).gas(20_999));
    assert_eq!(low, SkipReason::IntrinsicGas { limit: 20_999, needed: 21_000 });
    let capped = skip(&rules, &state, call(0).gas((1 << 24) + 1));
    assert_eq!(capped, SkipReason::GasCap { limit: (1 << 24) + 1, cap: 1 << 24 });
    let block_gas = skip(&rules, &state, call(0).gas(1_000_000_001));
    assert_eq!(block_gas, SkipReason::BlockGas { limit: 1_000_000_001, left: 1_000_000_000 });
    assert_eq!(skip(&rules, &state, Call::new(account(2), 1, account(9))), SkipReason::SenderHasCode);
    let other_chain = Call { chain_id: Some(1), ..call(0) };
    assert_eq!(skip(&rules, &state, other_chain), SkipReason::ChainId);
    let any_chain = Call { chain_id: None, ..call(0) };
    assert_eq!(skip(&rules, &state, any_chain), SkipReason::Unprotected);
    // Without fees a tip above the fee cap means nothing; with them it is invalid.
    assert_eq!(skip(&fee_rules(), &state, call(0).price(1).tip(2)), SkipReason::TipAboveFee);
    let init_code = Bytes::from(vec![0; 49_153]);
    assert_eq!(
        skip(&rules, &state, call(0).create().input(init_code).gas(2_000_000)),
        SkipReason::InitCodeSize
    );
}

#[test]
fn skips_leave_no_trace_between_others() {
    let state = state([(account(1), funded(100))]);
    let transfer = |nonce| Call::new(account(1), nonce, account(2)).value(10).build();
    let outcome = run(&rules(), &state, &[transfer(0), transfer(0), transfer(5), transfer(1)]);
    assert_eq!(outcome.included, [0, 3]);
    let reasons: Vec<_> = outcome.skipped.iter().map(|(index, reason)| (*index, reason.code())).collect();
    assert_eq!(reasons, [(1, "SKIP-NONCE-LOW"), (2, "SKIP-NONCE-HIGH")]);
    let without = run(&rules(), &state, &[transfer(0), transfer(1)]);
    assert_eq!(outcome.hash, without.hash);
}

#[test]
fn the_block_s_gas_is_never_exceeded() {
    let state = state([(account(1), funded(100)), (account(9), contract(&LOOP))]);
    let spend = |nonce| Call::new(account(1), nonce, account(9)).gas(10_000_000).build();
    let context = BlockContext { gas_limit: 25_000_000, ..block(1) };
    let outcome = execute_block(&rules(), &context, &state, &[spend(0), spend(1), spend(2)]).unwrap();
    assert_eq!(outcome.gas_used, 20_000_000);
    assert_eq!(outcome.skipped, [(2, SkipReason::BlockGas { limit: 10_000_000, left: 5_000_000 })]);
}

#[test]
fn the_header_is_ethereum_s_with_the_rest_empty() {
    let state = state([(account(1), funded(100)), (account(9), contract(&LOG))]);
    let calls = [
        Call::new(account(1), 0, account(9)).build(),
        Call::new(account(1), 1, account(9)).tip(0).build(),
        Call::new(account(1), 2, account(2)).value(1).build(),
    ];
    let outcome = run(&rules(), &state, &calls);
    let header = &outcome.header;
    let envelopes: Vec<_> = calls.iter().map(|call| call.tx.ethereum().unwrap().clone()).collect();
    assert_eq!(header.transactions_root, proofs::calculate_transaction_root(&envelopes));
    let receipts = envelopes.iter().zip(&outcome.receipts).map(|(envelope, receipt)| {
        let with_bloom = receipt.clone().with_bloom();
        match envelope.tx_type() {
            alloy_consensus::TxType::Eip1559 => alloy_consensus::ReceiptEnvelope::Eip1559(with_bloom),
            _ => alloy_consensus::ReceiptEnvelope::Legacy(with_bloom),
        }
    });
    assert_eq!(header.receipts_root, proofs::calculate_receipt_root(&receipts.collect::<Vec<_>>()));
    assert!(header.logs_bloom.contains_input(alloy_primitives::BloomInput::Raw(account(9).as_slice())));
    assert_eq!(outcome.receipts.iter().map(|receipt| receipt.logs.len()).collect::<Vec<_>>(), [1, 1, 0]);
    assert_eq!(header.gas_used, outcome.receipts[2].cumulative_gas_used);
    assert_eq!(header.extra_data.len(), 32);
    assert_eq!(
        (header.ommers_hash, header.difficulty, header.nonce),
        (EMPTY_OMMER_ROOT_HASH, U256::ZERO, B64::ZERO)
    );
    assert_eq!(
        (header.withdrawals_root, header.requests_hash),
        (Some(EMPTY_ROOT_HASH), Some(EMPTY_REQUESTS_HASH))
    );
    assert_eq!((header.blob_gas_used, header.excess_blob_gas), (Some(0), Some(0)));
    assert_eq!(header.parent_beacon_block_root, Some(B256::ZERO));
}

#[test]
fn an_order_block_gives_the_context_of_the_rules() {
    let order = OrderBlock {
        version: 1,
        epoch: 0,
        view: 3,
        height: 8,
        parent_order_hash: B256::ZERO,
        base_height: 7,
        sealed_height: 7,
        sealed_hash: B256::repeat_byte(5),
        time_ms: 1_999,
        proposer: 2,
        payload_kind: 1,
        payload_hash: keccak256([]),
        tx_count: 0,
        gas: 0,
    };
    let parent = execute_block(&rules(), &block(7), &state([]), &[]).unwrap();
    let context = BlockContext::of_order(
        &rules(),
        &order,
        &parent.header,
        parent.hash,
        account(4),
        std::sync::Arc::new(|_: u64| None),
    );
    assert_eq!((context.number, context.timestamp, context.parent_hash), (8, 1, parent.hash));
    assert_eq!((context.gas_limit, context.base_fee, context.beneficiary), (1_000_000_000, 0, account(4)));
    assert_eq!(context.prevrandao, mix_hash(&order.hash()));
    let facts = block_facts(&order, order.hash(), B256::ZERO);
    assert_eq!(context.extra_data, Bytes::from(facts.extra_data().0));
    assert_eq!((facts.time_ms, facts.view, facts.next_set_hash), (1_999, 3, B256::ZERO));
}

#[test]
fn the_parent_s_sealed_hash_is_kept_in_the_state() {
    let history = (HISTORY_STORAGE_ADDRESS, contract(&HISTORY_STORAGE_CODE));
    let state = state([history]);
    let outcome = run(&rules(), &state, &[]);
    let kept = outcome.state.storage(&HISTORY_STORAGE_ADDRESS, U256::ZERO);
    assert_eq!(kept, U256::from_be_bytes(block(1).parent_hash.0));
    let cancun = ChainRules { evm: Spec::Cancun, ..rules() };
    let outcome = run(&cancun, &state, &[]);
    assert!(outcome.diff.is_empty());
    assert_eq!(outcome.header.requests_hash, None);
}

#[test]
fn blockhash_reads_sealed_hashes() {
    let store_hash = bytes!("5f35405f5500");
    let state = state([(account(9), contract(&store_hash))]);
    let call = Call::new(account(1), 0, account(9)).input(words([0])).build();
    let outcome = run(&rules(), &state, &[call]);
    assert_eq!(outcome.state.storage(&account(9), U256::ZERO), U256::from(1_000));
}

#[test]
fn a_delegation_for_any_chain_has_no_effect_unless_the_rules_allow_it() {
    let secret = [7u8; 32];
    let state = state([(account(1), funded(0))]);
    for (chain_id, rules, takes_effect) in [
        (CHAIN_ID, rules(), true),
        (0, rules(), false),
        (0, ChainRules { any_chain_authorizations: true, ..rules() }, true),
        (CHAIN_ID + 1, rules(), false),
    ] {
        let (authority, signed) = delegation(&secret, chain_id, account(9), 0);
        let outcome = run(&rules, &state, &[delegating(account(1), 0, vec![signed])]);
        let delegated = outcome.state.account(&authority).filter(|account| account.has_code());
        assert_eq!(delegated.is_some(), takes_effect);
        if let Some(account) = delegated {
            let code = outcome.state.code(&account.code_hash).unwrap();
            assert_eq!(code.as_ref(), [&[0xef, 0x01, 0x00][..], &[9; 20]].concat());
            assert_eq!(account.nonce, 1);
        }
        // It counts as one in the gas all the same: 21,000 and 25,000.
        assert!(outcome.gas_used >= 21_000 + 12_500);
    }
}

#[test]
fn a_touched_empty_account_is_removed_and_an_untouched_one_stays() {
    let empty = hansa_evm::GenesisAccount::default();
    let state = state([(account(1), funded(10)), (account(5), empty.clone()), (account(6), empty)]);
    let outcome = run(&rules(), &state, &[Call::new(account(1), 0, account(5)).build()]);
    assert_eq!(outcome.state.account(&account(5)), None);
    assert!(outcome.state.account(&account(6)).is_some());
}

#[test]
fn code_that_is_missing_from_the_state_stops_the_node() {
    let mut state = state([]);
    let info = hansa_state::AccountInfo { nonce: 1, balance: U256::ZERO, code_hash: B256::repeat_byte(3) };
    let change = hansa_state::AccountDiff { info: Some(info), ..Default::default() };
    state.apply(&hansa_state::StateDiff::new(vec![(account(9), change)], Vec::new()));
    let call = Call::new(account(1), 0, account(9)).build();
    let error = execute_block(&rules(), &block(1), &state, &[call]).unwrap_err();
    assert_eq!(error.code(), "STATE-CODE-MISSING");
}

#[test]
fn contracts_may_send_where_the_rules_allow_it() {
    let state = state([(account(2), contract(&STORE))]);
    let send = Call::new(account(2), 1, account(9)).build();
    let development = ChainRules { code_senders: true, ..rules() };
    assert_eq!(run(&development, &state, &[send]).skipped, []);
}
