//! Measures hashing: nanoseconds per message and way, for the sizes that a chain hashes.

use std::hint::black_box;
use std::time::Instant;

use hansa_crypto::HashLanes;

const MESSAGES: usize = 4_096;
const REPEATS: usize = 20;

fn main() {
    println!("bytes  {}", HashLanes::available().iter().map(|way| format!("{way:>8?}")).collect::<String>());
    for len in [20usize, 32, 110, 135, 136, 532] {
        let data: Vec<Vec<u8>> = (0..MESSAGES).map(|index| vec![index as u8; len]).collect();
        let nanos = HashLanes::available().into_iter().map(|way| {
            let best = (0..REPEATS).map(|_| {
                let begun = Instant::now();
                way.hash(
                    MESSAGES,
                    |index| black_box(data[index].as_slice()),
                    |_, hash| {
                        black_box(hash);
                    },
                );
                begun.elapsed()
            });
            let best = best.min().unwrap_or_default();
            format!("{:>8.1}", best.as_secs_f64() * 1e9 / MESSAGES as f64)
        });
        println!("{len:>5}  {}", nanos.collect::<String>());
    }
}
