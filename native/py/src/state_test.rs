//! Ethereum's state tests through the node's own executor.

use hansa_evm::run_state_test_file;
use pyo3::prelude::*;

use crate::error::native;

/// A failed post: name, position, what was different.
type Failure = (String, usize, String);

/// Runs the posts of one file: how many, and the ones that failed as (name, position, what was different).
#[pyfunction]
pub fn run_state_test(py: Python<'_>, json: &[u8]) -> PyResult<(usize, Vec<Failure>)> {
    let report = py
        .detach(|| run_state_test_file(json))
        .map_err(|what| native("STATE-TEST", what, "pass a GeneralStateTests file"))?;
    let failures = report.failures.into_iter().map(|failure| (failure.name, failure.index, failure.reason));
    Ok((report.posts, failures.collect()))
}
