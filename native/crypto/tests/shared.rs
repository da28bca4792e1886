//! The sender cache and the worker pool.
#![allow(clippy::unwrap_used)]

use alloy_primitives::{Address, B256, U256};
use hansa_crypto::{SenderCache, workers};

fn hash(number: u64) -> B256 {
    hansa_crypto::keccak256(U256::from(number).to_be_bytes::<32>())
}

#[test]
fn the_cache_answers_what_it_was_told_and_stays_bounded() {
    let cache = SenderCache::new(160);
    for number in 0..10_000 {
        cache.insert(hash(number), Address::left_padding_from(&number.to_be_bytes()));
        assert_eq!(cache.get(&hash(number)), Some(Address::left_padding_from(&number.to_be_bytes())));
    }
    assert!(cache.len() <= 160);
    assert_eq!(cache.get(&hash(0)), None);
}

#[test]
fn a_map_over_workers_keeps_the_order() {
    assert!(workers::threads_for(usize::MAX) == 1);
    let threads = workers::configure(3).unwrap();
    assert_eq!(threads, workers::configure(1).unwrap());
    let squares = workers::map((0u64..1000).collect(), |number| number * number);
    assert!(squares.iter().enumerate().all(|(index, square)| *square == (index * index) as u64));
}

#[test]
fn runs_over_workers_keep_the_order() {
    for count in [0, 1, 15, 16, 17, 100, 1_000] {
        let items: Vec<usize> = (0..count).collect();
        let doubled = workers::map_chunks(&items, 16, |run| run.iter().map(|number| number * 2).collect());
        assert!(
            doubled.len() == count && doubled.iter().enumerate().all(|(index, value)| *value == index * 2)
        );
    }
}
