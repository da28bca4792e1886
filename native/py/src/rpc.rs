//! `Rpc`: the JSON-RPC front over a chain.

use alloy_primitives::B256;
use hansa_rpc::{RpcError, RpcOptions};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};

use crate::chain::Chain;
use crate::convert;
use crate::error;

/// Answers JSON-RPC from a chain.
#[pyclass(frozen, module = "hansa._native")]
pub struct Rpc {
    inner: hansa_rpc::Rpc,
    chain: std::sync::Arc<hansa_chain::Chain>,
}

type PartPair<'py> = (Bound<'py, PyBytes>, Option<Bound<'py, PyBytes>>);

fn text<'py>(py: Python<'py>, bytes: &[u8]) -> Bound<'py, PyBytes> {
    PyBytes::new(py, bytes)
}

fn refused(error: RpcError) -> PyErr {
    let part =
        |name: &str| error.data.get(name).and_then(|value| value.as_str()).unwrap_or_default().to_owned();
    error::native(&part("code"), error.message.clone(), &part("hint"))
}

#[pymethods]
impl Rpc {
    #[new]
    #[pyo3(signature = (chain, options=None))]
    fn new(py: Python<'_>, chain: &Chain, options: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let options = match options {
            None => RpcOptions::default(),
            Some(options) => {
                let json: String = py.import("json")?.call_method1("dumps", (options,))?.extract()?;
                RpcOptions::from_json(&json).map_err(refused)?
            }
        };
        let inner = hansa_rpc::Rpc::new(chain.inner.clone(), options);
        Ok(Self { inner, chain: chain.inner.clone() })
    }

    fn handle<'py>(&self, py: Python<'py>, body: &[u8]) -> Option<Bound<'py, PyBytes>> {
        py.detach(|| self.inner.handle(body)).map(|answer| text(py, &answer))
    }

    fn handle_one<'py>(&self, py: Python<'py>, request: &[u8]) -> Option<Bound<'py, PyBytes>> {
        self.handle(py, request)
    }

    fn handle_many<'py>(
        &self,
        py: Python<'py>,
        bodies: Vec<Bound<'py, PyBytes>>,
    ) -> Vec<Option<Bound<'py, PyBytes>>> {
        let borrowed: Vec<&[u8]> = bodies.iter().map(|body| body.as_bytes()).collect();
        let answers = py.detach(|| self.inner.handle_many(&borrowed));
        answers.into_iter().map(|answer| answer.map(|answer| text(py, &answer))).collect()
    }

    fn parts<'py>(&self, py: Python<'py>, body: &[u8]) -> PyResult<Bound<'py, PyAny>> {
        match py.detach(|| self.inner.parts(body)) {
            Err(error) => Ok(text(py, &hansa_rpc::rpc::error_body(&error)).into_any()),
            Ok(parts) => {
                let pairs = parts.iter().map(|part| -> PartPair<'py> {
                    (text(py, &part.request), part.answer.as_ref().map(|answer| text(py, answer)))
                });
                PyList::new(py, pairs.collect::<Vec<_>>()).map(Bound::into_any)
            }
        }
    }

    #[staticmethod]
    fn methods() -> Vec<(&'static str, Vec<&'static str>)> {
        hansa_rpc::Rpc::methods().iter().map(|method| (method.name, method.params.to_vec())).collect()
    }

    fn result<'py>(&self, py: Python<'py>, method: &str, params: &[u8]) -> (bool, Bound<'py, PyBytes>) {
        match py.detach(|| self.inner.result(method, params)) {
            Ok(result) => (true, text(py, &result)),
            Err(error) => (false, text(py, &error.to_json())),
        }
    }

    fn block_hash<'py>(&self, py: Python<'py>, number: u64) -> Option<Bound<'py, PyBytes>> {
        self.chain.hash_at(number).map(|hash: B256| text(py, hash.as_slice()))
    }

    fn head_event<'py>(&self, py: Python<'py>, number: u64) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let event = py.detach(|| self.inner.head_event(number)).map_err(refused)?;
        Ok(event.map(|event| text(py, &event)))
    }

    fn log_events<'py>(
        &self,
        py: Python<'py>,
        number: u64,
        criteria: &[u8],
    ) -> PyResult<Vec<Bound<'py, PyBytes>>> {
        let events = py.detach(|| self.inner.log_events(number, criteria)).map_err(refused)?;
        Ok(events.iter().map(|event| text(py, event)).collect())
    }

    #[staticmethod]
    #[pyo3(signature = (request, secret=None))]
    fn build_transaction<'py>(
        py: Python<'py>,
        request: &[u8],
        secret: Option<&[u8]>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let secret = secret.map(|secret| convert::array("secret", secret)).transpose()?;
        let raw = py
            .detach(|| hansa_rpc::typed_data::build_transaction(request, secret.as_ref()))
            .map_err(refused)?;
        Ok(text(py, &raw))
    }

    #[staticmethod]
    fn typed_data_digest<'py>(py: Python<'py>, document: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        let digest = py.detach(|| hansa_rpc::typed_data::typed_data_digest(document)).map_err(refused)?;
        Ok(text(py, digest.as_slice()))
    }
}
