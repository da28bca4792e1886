//! Runs a folder of GeneralStateTests: `state_tests <folder> [--jobs N] [--bar PERCENT] [--blocks WORKERS]`.
//!
//! Prints each failure as `file name index reason` and the totals; exits with 1 where fewer posts
//! pass than the bar asks for. With `--blocks` each case's transactions make one block, which is executed
//! one after the other and side by side by so many workers; all ways must agree.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use hansa_evm::{StateTestReport, compare_state_test_file, run_state_test_file};

const BAR_PERCENT: f64 = 99.0;

/// Deeply nested calls need more than a thread's usual stack.
const STACK_BYTES: usize = 64 * 1024 * 1024;

struct Arguments {
    folder: PathBuf,
    jobs: usize,
    bar: f64,
    blocks: Option<usize>,
}

fn main() -> ExitCode {
    let Some(arguments) = parse(std::env::args().skip(1)) else {
        eprintln!("usage: state_tests <folder> [--jobs N] [--bar PERCENT] [--blocks WORKERS]");
        return ExitCode::from(2);
    };
    let mut files = Vec::new();
    collect(&arguments.folder, &mut files);
    files.sort();
    if let Some(workers) = arguments.blocks {
        return compare_blocks(&files, workers);
    }
    let begun = Instant::now();
    let (posts, failures) = run(&files, arguments.jobs);
    for failure in &failures {
        println!("{failure}");
    }
    let passed = posts - failures.len().min(posts);
    let percent = if posts == 0 { 0.0 } else { passed as f64 * 100.0 / posts as f64 };
    let seconds = begun.elapsed().as_secs_f64();
    println!("{} files, {posts} posts, {passed} passed ({percent:.3} %), {seconds:.1} s", files.len());
    if percent < arguments.bar { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn compare_blocks(files: &[PathBuf], workers: usize) -> ExitCode {
    let (mut blocks, mut side_by_side, mut failed) = (0, 0, 0);
    let threads = hansa_crypto::workers::configure(workers);
    for path in files {
        let json = std::fs::read(path).map_err(|error| error.to_string());
        match json.and_then(|json| compare_state_test_file(&json, workers)) {
            Ok(report) => {
                blocks += report.blocks;
                side_by_side += report.side_by_side;
                failed += report.failures.len();
                report.failures.iter().for_each(|name| println!("{} {name}", path.display()));
            }
            Err(error) => {
                failed += 1;
                println!("{} - {error}", path.display());
            }
        }
    }
    println!("{blocks} blocks, {side_by_side} of them side by side ({threads:?} threads), {failed} differ");
    if failed > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn parse(mut words: impl Iterator<Item = String>) -> Option<Arguments> {
    let mut arguments = Arguments { folder: PathBuf::new(), jobs: 1, bar: BAR_PERCENT, blocks: None };
    while let Some(word) = words.next() {
        match word.as_str() {
            "--jobs" => arguments.jobs = words.next()?.parse().ok().filter(|jobs| *jobs > 0)?,
            "--blocks" => arguments.blocks = Some(words.next()?.parse().ok()?),
            "--bar" => arguments.bar = words.next()?.parse().ok()?,
            _ => arguments.folder = PathBuf::from(word),
        }
    }
    arguments.folder.is_dir().then_some(arguments)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "json") {
            files.push(path);
        }
    }
}

fn run(files: &[PathBuf], jobs: usize) -> (usize, Vec<String>) {
    let next = AtomicUsize::new(0);
    let work = || {
        let (mut posts, mut failures) = (0, Vec::new());
        while let Some(path) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
            let report = std::fs::read(path).map_err(|error| error.to_string());
            match report.and_then(|json| run_state_test_file(&json)) {
                Ok(StateTestReport { posts: run, failures: failed }) => {
                    posts += run;
                    let lines = failed
                        .into_iter()
                        .map(|one| format!("{} {} {} {}", path.display(), one.name, one.index, one.reason));
                    failures.extend(lines);
                }
                Err(error) => failures.push(format!("{} - - {error}", path.display())),
            }
        }
        (posts, failures)
    };
    std::thread::scope(|scope| {
        let thread = || std::thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, work);
        let threads: Vec<_> = (0..jobs).filter_map(|_| thread().ok()).collect();
        let mut all = (0, Vec::new());
        for (posts, failures) in threads.into_iter().filter_map(|thread| thread.join().ok()) {
            all.0 += posts;
            all.1.extend(failures);
        }
        all
    })
}
