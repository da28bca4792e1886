//! µs of this thread's CPU time per recovered sender, in lanes and by the scalar library:
//! `bench_recover [signatures] [rounds]`. Prints the median and the best of the rounds.
#![allow(clippy::unwrap_used)]

use std::hint::black_box;
use std::time::Duration;

use hansa_crypto::{
    B256, generate_secret, keccak256, recover, recover_batch_addresses, recovers_in_lanes, sign_recoverable,
};

fn main() {
    let mut words = std::env::args().skip(1).map(|word| word.parse::<usize>().unwrap());
    let signatures = words.next().unwrap_or(2_048);
    let rounds = words.next().unwrap_or(11);
    let secrets: Vec<_> = (0..64).map(|_| generate_secret().unwrap()).collect();
    let batch: Vec<(B256, [u8; 65])> = (0..signatures)
        .map(|index| {
            let digest = keccak256(index.to_be_bytes());
            (digest, sign_recoverable(&secrets[index % 64], &digest).unwrap())
        })
        .collect();
    println!("in lanes: {}", recovers_in_lanes());
    let sizes = [1, 2, 4, 8, 16, 32, 50, 64, 100, 200, signatures];
    for size in sizes.into_iter().filter(|size| *size <= signatures) {
        let figure = measure(signatures / size * size, rounds, || {
            for chunk in batch.chunks_exact(size) {
                black_box(recover_batch_addresses(black_box(chunk)));
            }
        });
        println!("batches of {size:5}: {figure}");
    }
    let some = &batch[..signatures.min(512)];
    let figure = measure(some.len(), rounds, || {
        for (digest, signature) in some {
            black_box(recover(black_box(digest), black_box(signature)).unwrap());
        }
    });
    println!("scalar library  : {figure}");
}

fn measure(count: usize, rounds: usize, mut work: impl FnMut()) -> String {
    work();
    let mut figures: Vec<f64> = (0..rounds)
        .map(|_| {
            let start = thread_time();
            work();
            (thread_time() - start).as_secs_f64() * 1e6 / count as f64
        })
        .collect();
    figures.sort_by(f64::total_cmp);
    format!("median {:.2} µs, best {:.2} µs", figures[rounds / 2], figures[0])
}

/// CPU time of this thread: other load on the machine does not count as ours.
fn thread_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a local of the right type, which outlives the call.
    let status = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    assert_eq!(status, 0);
    Duration::new(u64::try_from(time.tv_sec).unwrap(), u32::try_from(time.tv_nsec).unwrap())
}
