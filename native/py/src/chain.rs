//! `Chain`: converts, releases the interpreter lock, maps errors.

use std::path::Path;
use std::sync::Arc;

use alloy_primitives::{B256, Bytes};
use hansa_chain::{EpochFacts, EpochNode, ProvenSets};
use hansa_codec::Certificate;
use hansa_pool::SelectLimits;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};

use crate::convert;
use crate::error;

type Out<'py> = PyResult<Bound<'py, PyBytes>>;

/// Hashes that `pending_hashes_since` returns at most.
const PENDING_HASHES_MAX: usize = 4_096;

/// A chain, opened.
#[pyclass(frozen, module = "hansa._native")]
pub struct Chain {
    pub(crate) inner: Arc<hansa_chain::Chain>,
}

fn bytes_of<'py>(py: Python<'py>, hash: &B256) -> Bound<'py, PyBytes> {
    PyBytes::new(py, hash.as_slice())
}

fn hashes(list: &[Bound<'_, PyBytes>]) -> PyResult<Vec<B256>> {
    list.iter().map(|hash| convert::hash("order hash", hash.as_bytes())).collect()
}

fn joined<'py>(py: Python<'py>, hashes: &[B256]) -> Bound<'py, PyBytes> {
    let bytes: Vec<u8> = hashes.iter().flat_map(|hash| hash.0).collect();
    PyBytes::new(py, &bytes)
}

#[pymethods]
impl Chain {
    #[staticmethod]
    #[pyo3(signature = (directory, genesis))]
    fn create(py: Python<'_>, directory: Option<String>, genesis: &[u8]) -> PyResult<Self> {
        let made = py.detach(|| hansa_chain::Chain::create(directory.as_deref().map(Path::new), genesis));
        Ok(Self { inner: Arc::new(made.map_err(error::chain)?) })
    }

    #[staticmethod]
    fn open(py: Python<'_>, directory: &str, genesis: &[u8]) -> PyResult<Self> {
        let opened = py.detach(|| hansa_chain::Chain::open(Path::new(directory), genesis));
        Ok(Self { inner: Arc::new(opened.map_err(error::chain)?) })
    }

    #[getter]
    fn genesis_hash<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        bytes_of(py, &self.inner.genesis_hash())
    }

    #[getter]
    fn chain_id(&self) -> u64 {
        self.inner.chain_id()
    }

    fn head<'py>(&self, py: Python<'py>) -> (u64, Bound<'py, PyBytes>, Bound<'py, PyBytes>) {
        let head = self.inner.head();
        (head.height, bytes_of(py, &head.sealed_hash), bytes_of(py, &head.order_hash))
    }

    fn head_time_ms(&self) -> u64 {
        self.inner.head().time_ms
    }

    fn sealed_hash<'py>(&self, py: Python<'py>, height: u64) -> Option<Bound<'py, PyBytes>> {
        self.inner.hash_at(height).map(|hash| bytes_of(py, &hash))
    }

    fn certificate<'py>(&self, py: Python<'py>, height: u64) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let found = py.detach(|| self.inner.certificate_at(height)).map_err(error::chain)?;
        Ok(found.map(|certificate| PyBytes::new(py, &certificate)))
    }

    // --- pool

    fn submit<'py>(
        &self,
        py: Python<'py>,
        raws: Vec<Bound<'py, PyBytes>>,
    ) -> Vec<(Option<Bound<'py, PyBytes>>, Option<&'static str>)> {
        let raws: Vec<Bytes> = raws.iter().map(|raw| Bytes::copy_from_slice(raw.as_bytes())).collect();
        let answers = py.detach(|| self.inner.submit(raws));
        let shown = answers.into_iter().map(|answer| match answer {
            Ok(hash) => (Some(bytes_of(py, &hash)), None),
            Err(error) => (None, Some(error.code())),
        });
        shown.collect()
    }

    fn take_outgoing<'py>(&self, py: Python<'py>, max_bytes: usize) -> Option<Bound<'py, PyBytes>> {
        py.detach(|| self.inner.take_outgoing(max_bytes)).map(|bundle| PyBytes::new(py, &bundle))
    }

    fn add_bundle(&self, py: Python<'_>, origin: u32, bundle: &[u8]) -> PyResult<(usize, usize)> {
        py.detach(|| self.inner.add_bundle(origin, bundle)).map_err(error::chain)
    }

    fn pool_status(&self) -> (usize, usize) {
        self.inner.pool().status()
    }

    fn expire(&self, py: Python<'_>, now_ms: u64) -> usize {
        py.detach(|| self.inner.expire(now_ms))
    }

    fn pending_hashes_since<'py>(&self, py: Python<'py>, cursor: i64) -> (u64, Bound<'py, PyBytes>) {
        let (next, found) = py.detach(|| {
            let pool = self.inner.pool().lock();
            match u64::try_from(cursor) {
                Ok(cursor) => pool.pending_hashes_since(cursor, PENDING_HASHES_MAX),
                Err(_) => (pool.feed_end(), Vec::new()),
            }
        });
        (next, joined(py, &found))
    }

    fn status_of(&self, py: Python<'_>, tx_hash: &[u8]) -> PyResult<(&'static str, Option<String>)> {
        let hash = convert::hash("tx_hash", tx_hash)?;
        let (status, reason) = py.detach(|| self.inner.status_of(&hash)).map_err(error::chain)?;
        Ok((status.name(), reason))
    }

    // --- ordering

    fn propose<'py>(
        &self,
        py: Python<'py>,
        ancestors: Vec<Bound<'py, PyBytes>>,
        gas_limit: u64,
        max_count: usize,
        max_bytes: usize,
    ) -> PyResult<(Bound<'py, PyBytes>, u32, u64)> {
        let ancestors = hashes(&ancestors)?;
        let limits = SelectLimits { gas_max: gas_limit, count_max: max_count, bytes_max: max_bytes };
        let (refs, count, gas) = py.detach(|| self.inner.propose(&ancestors, limits));
        Ok((PyBytes::new(py, &refs), count, gas))
    }

    fn has_executable(&self, py: Python<'_>, ancestors: Vec<Bound<'_, PyBytes>>) -> PyResult<bool> {
        let ancestors = hashes(&ancestors)?;
        Ok(py.detach(|| self.inner.has_executable(&ancestors)))
    }

    fn missing<'py>(&self, py: Python<'py>, refs: &[u8]) -> Out<'py> {
        let missing = py.detach(|| self.inner.missing(refs)).map_err(error::chain)?;
        Ok(joined(py, &missing))
    }

    fn payload<'py>(&self, py: Python<'py>, hashes: &[u8]) -> Out<'py> {
        let bundle = py.detach(|| self.inner.payload(hashes)).map_err(error::chain)?;
        Ok(PyBytes::new(py, &bundle))
    }

    fn add_body<'py>(&self, py: Python<'py>, order: &[u8], refs: &[u8]) -> Out<'py> {
        let order_hash = py.detach(|| self.inner.add_body(order, refs)).map_err(error::chain)?;
        Ok(bytes_of(py, &order_hash))
    }

    fn has_body(&self, py: Python<'_>, order_hash: &[u8]) -> PyResult<bool> {
        let hash = convert::hash("order_hash", order_hash)?;
        Ok(py.detach(|| self.inner.has_body(&hash)))
    }

    fn order_block<'py>(
        &self,
        py: Python<'py>,
        order_hash: &[u8],
    ) -> PyResult<Option<(Bound<'py, PyBytes>, Bound<'py, PyBytes>)>> {
        let hash = convert::hash("order_hash", order_hash)?;
        let found = py.detach(|| self.inner.order_block(&hash)).map_err(error::chain)?;
        Ok(found.map(|(order, refs)| (PyBytes::new(py, &order), PyBytes::new(py, &refs))))
    }

    fn unsealed_bodies<'py>(&self, py: Python<'py>) -> Vec<(Bound<'py, PyBytes>, Bound<'py, PyBytes>)> {
        let bodies = py.detach(|| self.inner.unsealed_bodies());
        bodies.iter().map(|(hash, order)| (bytes_of(py, hash), PyBytes::new(py, order))).collect()
    }

    fn sync(&self, py: Python<'_>) -> PyResult<()> {
        py.detach(|| self.inner.sync()).map_err(error::chain)
    }

    fn close(&self, py: Python<'_>) -> PyResult<()> {
        py.detach(|| self.inner.close()).map_err(error::chain)
    }

    // --- execution

    fn execute<'py>(
        &self,
        py: Python<'py>,
        order_hash: &[u8],
    ) -> PyResult<(u64, Bound<'py, PyBytes>, u64, usize)> {
        let hash = convert::hash("order_hash", order_hash)?;
        let done = py.detach(|| self.inner.execute(&hash)).map_err(error::chain)?;
        Ok((done.height, bytes_of(py, &done.sealed_hash), done.gas_used, done.included))
    }

    fn seal(&self, py: Python<'_>, height: u64, certificate: &[u8]) -> PyResult<()> {
        py.detach(|| self.inner.seal(height, certificate)).map_err(error::chain)
    }

    fn verify_certificate(&self, py: Python<'_>, certificate: &[u8]) -> bool {
        py.detach(|| {
            let decoded = Certificate::decode(certificate);
            decoded.is_ok_and(|certificate| self.inner.quorum().check(&certificate).is_ok())
        })
    }

    fn seal_digest<'py>(&self, py: Python<'py>, height: u64, sealed_hash: &[u8]) -> Out<'py> {
        let hash = convert::hash("sealed_hash", sealed_hash)?;
        Ok(bytes_of(py, &self.inner.quorum().seal_digest(height, &hash)))
    }

    // --- between nodes

    fn export_blocks<'py>(
        &self,
        py: Python<'py>,
        first: u64,
        max_count: usize,
        max_bytes: usize,
    ) -> PyResult<Vec<Bound<'py, PyBytes>>> {
        let blocks =
            py.detach(|| self.inner.export_blocks(first, max_count, max_bytes)).map_err(error::chain)?;
        Ok(blocks.iter().map(|block| PyBytes::new(py, block)).collect())
    }

    fn import_block<'py>(
        &self,
        py: Python<'py>,
        block: &[u8],
    ) -> PyResult<(u64, Bound<'py, PyBytes>, Bound<'py, PyBytes>)> {
        let done = py.detach(|| self.inner.import_block(block)).map_err(error::chain)?;
        Ok((done.height, bytes_of(py, &done.sealed_hash), PyBytes::new(py, &done.certificate)))
    }

    // --- epochs

    fn order_hash<'py>(&self, py: Python<'py>, height: u64) -> Option<Bound<'py, PyBytes>> {
        self.inner.order_hash_at(height).map(|hash| bytes_of(py, &hash))
    }

    fn epoch_end(&self, order_hash: &[u8]) -> PyResult<Option<u64>> {
        Ok(self.inner.epoch_end(&convert::hash("order_hash", order_hash)?))
    }

    fn epoch_facts<'py>(&self, py: Python<'py>, order_hash: &[u8]) -> PyResult<Option<Bound<'py, PyTuple>>> {
        let hash = convert::hash("order_hash", order_hash)?;
        let facts = py.detach(|| self.inner.epoch_facts(&hash));
        facts.map(|facts| epoch_tuple(py, &facts)).transpose()
    }

    // --- checkpoints

    fn set_checkpoint_turn(&self, index: u64) {
        self.inner.set_checkpoint_turn(index);
    }

    fn begin_checkpoint(&self, py: Python<'_>) -> PyResult<bool> {
        py.detach(|| self.inner.begin_checkpoint()).map_err(error::chain)
    }

    fn check_checkpoint(&self) -> PyResult<()> {
        self.inner.check_checkpoint().map_err(error::chain)
    }

    fn checkpoint_status(&self) -> (u64, u64, bool, u64, u64, u64) {
        let now = self.inner.checkpoint_status();
        // Both fit: they are times of this process.
        let (took, held) = (now.took.as_millis() as u64, now.held.as_micros() as u64);
        (now.height, now.bytes, now.writing, now.written, took, held)
    }

    // --- snapshots

    fn snapshot_offer(&self, py: Python<'_>) -> PyResult<(Vec<u64>, u64, u64)> {
        let offer = py.detach(|| self.inner.snapshot_offer()).map_err(error::chain)?;
        Ok((offer.heights, offer.recent.0, offer.recent.1))
    }

    fn snapshot_answer<'py>(
        &self,
        py: Python<'py>,
        member: u32,
        height: u64,
        ask: &[u8],
    ) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let answer = py.detach(|| self.inner.snapshot_answer(member, height, ask)).map_err(error::chain)?;
        Ok(answer.map(|answer| PyBytes::new(py, &answer)))
    }

    fn oldest_exported(&self) -> u64 {
        self.inner.oldest_exported()
    }

    fn oldest_block(&self) -> u64 {
        self.inner.oldest_block()
    }

    fn prune(&self, py: Python<'_>, keep: u64) -> PyResult<(u64, bool)> {
        let pruned = py.detach(|| self.inner.prune(keep)).map_err(error::chain)?;
        Ok((pruned.oldest, pruned.has_more))
    }

    fn oldest_state(&self) -> u64 {
        self.inner.oldest_state()
    }
}

/// Number, first height, nodes, view timeout, block interval, protocol.
fn epoch_tuple<'py>(py: Python<'py>, facts: &EpochFacts) -> PyResult<Bound<'py, PyTuple>> {
    let node = |node: &EpochNode| {
        (
            node.name.clone(),
            node.organisation.clone(),
            PyBytes::new(py, &node.public_key),
            PyBytes::new(py, node.account.as_slice()),
            node.certificate.map(|hash| bytes_of(py, &hash)),
            PyBytes::new(py, &node.authority),
            node.endpoint.clone(),
            node.weight,
            node.is_linked,
        )
    };
    let nodes: Vec<_> = facts.nodes.iter().map(node).collect();
    let numbers = (facts.view_timeout_ms, facts.block_interval_ms, facts.protocol);
    (facts.number, facts.first_height, nodes, numbers.0, numbers.1, numbers.2).into_pyobject(py)
}

type FindingTuple = (String, u64, String);

#[pyfunction]
#[pyo3(signature = (directory, genesis, progress=None))]
pub fn verify_ledger(
    py: Python<'_>,
    directory: &str,
    genesis: &[u8],
    progress: Option<Py<PyAny>>,
) -> PyResult<Vec<FindingTuple>> {
    let report = py
        .detach(|| hansa_chain::verify_ledger(Path::new(directory), genesis, &mut reporter(progress)))
        .map_err(error::chain)?;
    Ok(report.findings.into_iter().map(|found| (found.file, found.offset, found.what)).collect())
}

#[pyfunction]
#[pyo3(signature = (directory, genesis, progress=None))]
pub fn repair_folder(
    py: Python<'_>,
    directory: &str,
    genesis: &[u8],
    progress: Option<Py<PyAny>>,
) -> PyResult<(Vec<FindingTuple>, Vec<String>, u64)> {
    let done = py
        .detach(|| hansa_chain::repair_folder(Path::new(directory), genesis, &mut reporter(progress)))
        .map_err(error::chain)?;
    let findings = done.findings.into_iter().map(|found| (found.file, found.offset, found.what)).collect();
    Ok((findings, done.moved, done.height))
}

/// Calls Python with every 256th block that holds; a failing callback is only no longer called.
fn reporter(progress: Option<Py<PyAny>>) -> impl FnMut(u64) {
    const EVERY: u64 = 256;
    let mut callback = progress;
    move |height| {
        if height.is_multiple_of(EVERY) {
            let failed =
                callback.as_ref().is_some_and(|call| Python::attach(|py| call.call1(py, (height,)).is_err()));
            if failed {
                callback = None;
            }
        }
    }
}

#[pyfunction]
pub fn epoch_keys<'py>(
    py: Python<'py>,
    directory: &str,
    genesis: &[u8],
    epoch: u64,
) -> PyResult<Option<Vec<Option<Bound<'py, PyBytes>>>>> {
    let sets = py.detach(|| ProvenSets::of_folder(Path::new(directory), genesis)).map_err(error::chain)?;
    let key = |key: &Option<Bytes>| key.as_ref().map(|key| PyBytes::new(py, key));
    Ok(sets.keys(epoch).map(|keys| keys.iter().map(key).collect()))
}

#[pyfunction]
pub fn genesis_hash<'py>(py: Python<'py>, genesis: &[u8]) -> Out<'py> {
    let hash = py.detach(|| {
        let parsed = hansa_chain::Genesis::parse(genesis)?;
        hansa_chain::birth::build(&parsed).map(|(header, _)| header.hash_slow())
    });
    Ok(bytes_of(py, &hash.map_err(error::chain)?))
}
