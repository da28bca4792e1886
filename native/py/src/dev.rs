//! The development part of `Chain`.

use alloy_primitives::Bytes;
use hansa_chain::NextBlock;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::chain::Chain;
use crate::convert;
use crate::error;

#[pymethods]
impl Chain {
    fn dev_snapshot(&self, py: Python<'_>) -> PyResult<u64> {
        py.detach(|| self.inner.dev_snapshot()).map_err(error::chain)
    }

    fn dev_revert(&self, py: Python<'_>, id: u64) -> PyResult<bool> {
        py.detach(|| self.inner.dev_revert(id)).map_err(error::chain)
    }

    fn dev_reset(&self, py: Python<'_>) -> PyResult<()> {
        py.detach(|| self.inner.dev_reset()).map_err(error::chain)
    }

    #[pyo3(signature = (address, balance=None, nonce=None, code=None))]
    fn dev_set_account(
        &self,
        py: Python<'_>,
        address: &[u8],
        balance: Option<Bound<'_, PyAny>>,
        nonce: Option<u64>,
        code: Option<&[u8]>,
    ) -> PyResult<()> {
        let address = convert::address("address", address)?;
        let balance = balance.map(|wei| convert::u256("balance", &wei)).transpose()?;
        let code = code.map(Bytes::copy_from_slice);
        py.detach(|| self.inner.dev_set_account(address, balance, nonce, code)).map_err(error::chain)
    }

    fn dev_set_storage(
        &self,
        py: Python<'_>,
        address: &[u8],
        slot: &Bound<'_, PyAny>,
        value: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let address = convert::address("address", address)?;
        let (slot, value) = (convert::u256("slot", slot)?, convert::u256("value", value)?);
        py.detach(|| self.inner.dev_set_storage(address, slot, value)).map_err(error::chain)
    }

    fn dev_submit_as<'py>(
        &self,
        py: Python<'py>,
        sender: &[u8],
        tx_json: &[u8],
    ) -> PyResult<Bound<'py, PyBytes>> {
        let sender = convert::address("sender", sender)?;
        let hash = py.detach(|| self.inner.dev_submit_as(sender, tx_json)).map_err(error::chain)?;
        Ok(PyBytes::new(py, hash.as_slice()))
    }

    fn dev_submit_raw_as<'py>(
        &self,
        py: Python<'py>,
        sender: &[u8],
        raw: &[u8],
    ) -> PyResult<Bound<'py, PyBytes>> {
        let sender = convert::address("sender", sender)?;
        let hash = py.detach(|| self.inner.dev_submit_raw_as(sender, raw)).map_err(error::chain)?;
        Ok(PyBytes::new(py, hash.as_slice()))
    }

    fn dev_drop_transaction(&self, py: Python<'_>, tx_hash: &[u8]) -> PyResult<bool> {
        let hash = convert::hash("tx_hash", tx_hash)?;
        Ok(py.detach(|| self.inner.pool().lock().remove(&hash)))
    }

    #[pyo3(signature = (base_fee=None, gas_limit=None, prevrandao=None, beneficiary=None))]
    fn dev_set_next_block(
        &self,
        py: Python<'_>,
        base_fee: Option<u64>,
        gas_limit: Option<u64>,
        prevrandao: Option<&[u8]>,
        beneficiary: Option<&[u8]>,
    ) -> PyResult<()> {
        let next = NextBlock {
            base_fee,
            gas_limit,
            prevrandao: prevrandao.map(|hash| convert::hash("prevrandao", hash)).transpose()?,
            beneficiary: beneficiary.map(|account| convert::address("beneficiary", account)).transpose()?,
        };
        py.detach(|| self.inner.dev_set_next_block(next)).map_err(error::chain)
    }

    #[pyo3(signature = (time_ms, base_fee=None, transactions=4_096))]
    fn dev_mine<'py>(
        &self,
        py: Python<'py>,
        time_ms: u64,
        base_fee: Option<u64>,
        transactions: usize,
    ) -> PyResult<(u64, Bound<'py, PyBytes>)> {
        let (height, hash) =
            py.detach(|| self.inner.dev_mine(time_ms, base_fee, transactions)).map_err(error::chain)?;
        Ok((height, PyBytes::new(py, hash.as_slice())))
    }
}
