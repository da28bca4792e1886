//! `Snapshot`: what a node far behind takes over from the others.

use std::path::Path;

use hansa_chain::snapshot::Stage;
use parking_lot::Mutex;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::error;

/// A snapshot on its way.
#[pyclass(frozen, module = "hansa._native")]
pub struct Snapshot {
    stage: Mutex<Stage>,
}

fn asks<'py>(py: Python<'py>, list: &[Vec<u8>]) -> Vec<Bound<'py, PyBytes>> {
    list.iter().map(|ask| PyBytes::new(py, ask)).collect()
}

#[pymethods]
impl Snapshot {
    #[staticmethod]
    fn open(py: Python<'_>, directory: &str, genesis: &[u8]) -> PyResult<Self> {
        let stage = py.detach(|| Stage::open(Path::new(directory), genesis)).map_err(error::chain)?;
        Ok(Self { stage: Mutex::new(stage) })
    }

    #[getter]
    fn height(&self, py: Python<'_>) -> u64 {
        py.detach(|| self.stage.lock().height())
    }

    fn missing<'py>(&self, py: Python<'py>) -> Vec<Bound<'py, PyBytes>> {
        let missing = py.detach(|| self.stage.lock().missing());
        asks(py, &missing)
    }

    fn check_head<'py>(
        &self,
        py: Python<'py>,
        member: u32,
        ask: &[u8],
        head: &[u8],
    ) -> PyResult<(u64, Bound<'py, PyBytes>, Vec<Bound<'py, PyBytes>>)> {
        let checked = py.detach(|| self.stage.lock().check_head(member, ask, head));
        let (height, shown) = checked.map_err(error::chain)?;
        Ok(match shown {
            Ok(face) => (height, PyBytes::new(py, face.as_slice()), Vec::new()),
            Err(ask) => (height, PyBytes::new(py, b""), asks(py, &[ask])),
        })
    }

    fn begin<'py>(&self, py: Python<'py>, member: u32, head: &[u8]) -> PyResult<Vec<Bound<'py, PyBytes>>> {
        let missing = py.detach(|| self.stage.lock().begin(member, head)).map_err(error::chain)?;
        Ok(asks(py, &missing))
    }

    fn add<'py>(&self, py: Python<'py>, ask: &[u8], answer: &[u8]) -> PyResult<Vec<Bound<'py, PyBytes>>> {
        let missing = py.detach(|| self.stage.lock().add(ask, answer)).map_err(error::chain)?;
        Ok(asks(py, &missing))
    }

    fn finish(&self, py: Python<'_>) -> PyResult<()> {
        py.detach(|| self.stage.lock().finish()).map_err(error::chain)
    }
}
