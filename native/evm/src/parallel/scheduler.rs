//! Who executes what when, and what counts in the end.
//!
//! Workers take transactions in order and execute them on whatever versions are there. Whoever finds the commit free
//! moves it on: the next transaction is checked against the versions below it, which are final by then, and executed
//! once more if it has seen something else. So each transaction's last execution saw exactly what the serial way
//! shows it, and correctness rests on this one step; everything else is about speed.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};

use alloy_primitives::Address;
use alloy_primitives::map::AddressMap;
use parking_lot::Mutex;

use super::memory::{Read, Writes};
use crate::ExecuteError;
use crate::execute::Verdict;

/// How far ahead of the commit a worker begins new transactions, for each worker.
const AHEAD: usize = 32;

/// Commits over which aborts are counted.
const SAMPLE: usize = 64;

/// Where a transaction stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Status {
    Pending,
    Running,
    Executed,
}

/// One execution of a transaction.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) reads: Vec<Read>,
    pub(super) writes: Writes,
    pub(super) verdict: Result<Verdict, ExecuteError>,
}

#[derive(Debug)]
struct Task {
    status: AtomicU8,
    last: Mutex<Last>,
    /// The transaction before it from the same sender.
    before: Option<u32>,
}

/// The last execution of a transaction.
#[derive(Debug, Default)]
struct Last {
    attempt: Option<Attempt>,
    /// The transaction that waits for this one: the next from the same sender.
    waiting: Option<usize>,
}

/// How far the commit has come.
#[derive(Debug, Default)]
pub(super) struct Commit {
    pub(super) at: usize,
    aborts: usize,
    sampled: usize,
    sample_aborts: usize,
}

/// The transactions of a block.
#[derive(Debug)]
pub(super) struct Scheduler {
    tasks: Vec<Task>,
    next: AtomicUsize,
    sweep: AtomicUsize,
    committed: AtomicUsize,
    pub(super) commit: Mutex<Commit>,
    /// Whether executing ahead has proved to be a waste.
    in_order: AtomicBool,
    ahead: usize,
}

impl Scheduler {
    pub(super) fn new(senders: impl Iterator<Item = Address>, workers: usize) -> Self {
        let mut last: AddressMap<u32> = AddressMap::default();
        // A block's gas pays for far fewer than 2^32 transactions.
        let tasks = senders.zip(0u32..).map(|(sender, index)| Task {
            status: AtomicU8::new(Status::Pending as u8),
            last: Mutex::default(),
            before: last.insert(sender, index),
        });
        Self {
            tasks: tasks.collect(),
            next: AtomicUsize::new(0),
            sweep: AtomicUsize::new(0),
            committed: AtomicUsize::new(0),
            commit: Mutex::default(),
            in_order: AtomicBool::new(false),
            ahead: AHEAD * workers,
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.committed.load(Ordering::Acquire) == self.tasks.len()
    }

    /// Whether only the commit goes on.
    pub(super) fn is_in_order(&self) -> bool {
        self.in_order.load(Ordering::Relaxed)
    }

    /// Takes a transaction for oneself.
    pub(super) fn claim(&self, index: usize, from: Status) -> bool {
        let status = &self.tasks[index].status;
        let claimed =
            status.compare_exchange(from as u8, Status::Running as u8, Ordering::AcqRel, Ordering::Acquire);
        claimed.is_ok()
    }

    /// The next transaction that nobody has begun. One whose sender's last is still under way is left to whoever
    /// finishes that.
    pub(super) fn begin_next(&self) -> Option<usize> {
        loop {
            let index = self.next.load(Ordering::Relaxed);
            if index >= self.tasks.len().min(self.committed.load(Ordering::Relaxed) + self.ahead) {
                return None;
            }
            if self.next.compare_exchange(index, index + 1, Ordering::Relaxed, Ordering::Relaxed).is_err() {
                continue;
            }
            if !self.waits(index) && self.claim(index, Status::Pending) {
                return Some(index);
            }
        }
    }

    fn waits(&self, index: usize) -> bool {
        let Some(before) = self.tasks[index].before else { return false };
        let before = &self.tasks[before as usize];
        let mut last = before.last.lock();
        let waits = before.status.load(Ordering::Acquire) != Status::Executed as u8;
        if waits {
            last.waiting = Some(index);
        }
        waits
    }

    /// Some transaction ahead of the commit that was executed, claimed.
    pub(super) fn claim_executed(&self) -> Option<usize> {
        let first = self.committed.load(Ordering::Relaxed) + 1;
        let end = self.next.load(Ordering::Relaxed);
        let count = end.checked_sub(first).filter(|count| *count > 0)?;
        let index = first + self.sweep.fetch_add(1, Ordering::Relaxed) % count;
        self.claim(index, Status::Executed).then_some(index)
    }

    /// Puts an execution in place of the last one; `publish` makes its writes known, given those before. Says which
    /// transaction waited for it.
    pub(super) fn finish(
        &self,
        index: usize,
        attempt: Attempt,
        publish: impl FnOnce(&Writes, &Writes),
    ) -> Option<usize> {
        let mut last = self.tasks[index].last.lock();
        let none = Writes::default();
        publish(last.attempt.as_ref().map_or(&none, |old| &old.writes), &attempt.writes);
        last.attempt = Some(attempt);
        self.release(index);
        last.waiting.take()
    }

    /// Gives a claimed transaction back as executed.
    pub(super) fn release(&self, index: usize) {
        self.tasks[index].status.store(Status::Executed as u8, Ordering::Release);
    }

    /// Whether every read of the last execution passes.
    pub(super) fn all_reads(&self, index: usize, passes: impl FnMut(&Read) -> bool) -> bool {
        let last = self.tasks[index].last.lock();
        last.attempt.as_ref().is_some_and(|attempt| attempt.reads.iter().all(passes))
    }

    pub(super) fn has_failed(&self, index: usize) -> bool {
        self.tasks[index].last.lock().attempt.as_ref().is_none_or(|attempt| attempt.verdict.is_err())
    }

    pub(super) fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Moves the commit on by one.
    pub(super) fn committed(&self, commit: &mut Commit, aborted: bool) {
        commit.at += 1;
        commit.aborts += usize::from(aborted);
        commit.sample_aborts += usize::from(aborted);
        commit.sampled += 1;
        if commit.sampled == SAMPLE {
            if commit.sample_aborts * 2 > SAMPLE {
                self.in_order.store(true, Ordering::Relaxed);
            }
            (commit.sampled, commit.sample_aborts) = (0, 0);
        }
        self.committed.store(commit.at, Ordering::Release);
    }

    /// The last executions, in order, and how many transactions were executed again when their turn came.
    pub(super) fn into_attempts(self) -> (impl Iterator<Item = Attempt>, usize) {
        let aborts = self.commit.into_inner().aborts;
        (self.tasks.into_iter().filter_map(|task| task.last.into_inner().attempt), aborts)
    }
}
