//! The process's one bounded pool of threads for work that is the same for many items.
//!
//! A host often carries several nodes (the demo alliance: four on two cores), so a node takes its
//! share of the cores and no more: `configure(threads_for(nodes_on_this_host))` at start, before
//! the first batch. Threads run at a lower priority than consensus. With a share of one thread no
//! pool is made and the work runs in the thread that asks.

use std::num::NonZeroUsize;
use std::sync::OnceLock;

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::CryptoError;

/// More threads than this help nobody.
pub const THREADS_MAX: usize = 64;

/// Batches smaller than this are not worth waking threads for.
pub const PARALLEL_MIN: usize = 8;

/// A thread's stack, for contracts that call each other deeply. Only what is used of it takes memory.
const STACK_BYTES: usize = 64 * 1024 * 1024;

/// How much lower than the rest of the process the workers rank (`man 2 setpriority`).
const NICENESS: i32 = 5;

/// How much lower work ranks that nobody waits for: checkpoints.
const NICENESS_BACKGROUND: i32 = 15;

static POOL: OnceLock<Option<ThreadPool>> = OnceLock::new();

/// A node's share of the cores: max(1, cores ÷ nodes on this host).
pub fn threads_for(nodes_on_host: usize) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    (cores / nodes_on_host.max(1)).clamp(1, THREADS_MAX)
}

/// Sets the number of worker threads, once per process. A later call has no effect and returns the
/// number that is in force.
///
/// # Errors
/// [`CryptoError::Workers`] when the operating system starts no threads.
pub fn configure(threads: usize) -> Result<usize, CryptoError> {
    if POOL.get().is_none() {
        let made = start(threads.clamp(1, THREADS_MAX))?;
        // Another caller may have been first; then its pool stays and ours ends.
        let _ = POOL.set(made);
    }
    Ok(threads_in_force())
}

/// How many threads batches are spread over.
pub fn threads_in_force() -> usize {
    pool().map_or(1, ThreadPool::current_num_threads)
}

/// Applies `work` to every item, in parallel where that pays, and keeps the order.
pub fn map<T, R>(items: Vec<T>, work: impl Fn(T) -> R + Sync + Send) -> Vec<R>
where
    T: Send,
    R: Send,
{
    use rayon::prelude::*;
    match pool() {
        Some(pool) if items.len() >= PARALLEL_MIN => {
            pool.install(|| items.into_par_iter().with_min_len(PARALLEL_MIN / 2).map(work).collect())
        }
        _ => items.into_iter().map(work).collect(),
    }
}

/// Applies `work`, which answers once for each item, to runs of items: one run for each thread, its
/// length a multiple of `step`. Answers stand in the order of the items.
pub fn map_chunks<T, R>(items: &[T], step: usize, work: impl Fn(&[T]) -> Vec<R> + Sync + Send) -> Vec<R>
where
    T: Sync,
    R: Send,
{
    use rayon::prelude::*;
    match pool() {
        Some(pool) if items.len() > step => {
            let run = items.len().div_ceil(pool.current_num_threads()).next_multiple_of(step);
            pool.install(|| items.par_chunks(run).flat_map_iter(work).collect())
        }
        _ => work(items),
    }
}

/// Does two things side by side where there are threads for it.
pub fn join<A: Send, B: Send>(a: impl FnOnce() -> A + Send, b: impl FnOnce() -> B + Send) -> (A, B) {
    match pool() {
        Some(pool) => pool.install(|| rayon::join(a, b)),
        None => (a(), b()),
    }
}

/// Calls `work` in up to `threads` threads at once, the calling one among them, and waits for all. Later calls may
/// begin when the first is over, so none may wait for another to begin.
pub fn side_by_side(threads: usize, work: impl Fn() + Sync) {
    match pool() {
        Some(pool) if threads > 1 => pool.in_place_scope(|scope| {
            for _ in 1..threads.min(pool.current_num_threads()) {
                scope.spawn(|_| work());
            }
            work();
        }),
        _ => work(),
    }
}

fn pool() -> Option<&'static ThreadPool> {
    // Without a call of configure the whole host is ours; no threads at all still works.
    POOL.get_or_init(|| start(threads_for(1)).unwrap_or(None)).as_ref()
}

fn start(threads: usize) -> Result<Option<ThreadPool>, CryptoError> {
    if threads == 1 {
        return Ok(None);
    }
    ThreadPoolBuilder::new()
        .num_threads(threads)
        .stack_size(STACK_BYTES)
        .thread_name(|index| format!("hansa-worker-{index}"))
        .start_handler(|_| rank_lower(NICENESS))
        .build()
        .map(Some)
        .map_err(|_| CryptoError::Workers)
}

/// Ranks the calling thread behind everything that somebody waits for, directly or by the memory it frees.
pub fn rank_background() {
    rank_lower(NICENESS_BACKGROUND);
}

fn rank_lower(niceness: i32) {
    // On Linux "process 0" is the calling thread alone. A refusal costs priority, not correctness.
    // SAFETY: setpriority takes plain integers and touches no memory of ours.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, niceness) };
}
