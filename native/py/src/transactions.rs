//! Signing and reading transactions for the CLI, the demo and the benchmarks.

use alloy_consensus::{EthereumTypedTransaction, TxEip1559, TxEip2930, TxEip4844Variant, TxLegacy};
use alloy_eips::eip2930::{AccessList, AccessListItem};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256};
use hansa_codec::{OWN_TRANSACTION_TYPE, OwnTransaction, Transaction, TxLimits};
use hansa_crypto::{Suite, workers};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use crate::convert;
use crate::error::{self, native};

type Unsigned = EthereumTypedTransaction<TxEip4844Variant>;
type AccessPairs<'py> = Vec<(Bound<'py, PyBytes>, Vec<Bound<'py, PyBytes>>)>;

/// Transactions that one call signs at most.
const SIGNED_MAX: usize = 4_000_000;

/// Names that `sign_transaction` understands.
const FIELDS: [&str; 13] = [
    "type",
    "chain_id",
    "nonce",
    "gas",
    "to",
    "value",
    "data",
    "gas_price",
    "max_fee_per_gas",
    "max_priority_fee_per_gas",
    "access_list",
    "block_limit",
    "expires_at",
];

fn optional<'py, T>(fields: &Bound<'py, PyDict>, name: &str) -> PyResult<Option<T>>
where
    T: for<'a> FromPyObject<'a, 'py, Error = PyErr>,
{
    match fields.get_item(name)? {
        Some(value) if !value.is_none() => Ok(Some(value.extract()?)),
        _ => Ok(None),
    }
}

fn required<'py, T>(fields: &Bound<'py, PyDict>, name: &str) -> PyResult<T>
where
    T: for<'a> FromPyObject<'a, 'py, Error = PyErr>,
{
    let missing = || native("TX-FIELD", format!("the transaction has no field {name:?}"), "add it");
    optional(fields, name)?.ok_or_else(missing)
}

fn check_names(fields: &Bound<'_, PyDict>) -> PyResult<()> {
    for name in fields.keys() {
        let name: String = name.extract()?;
        if !FIELDS.contains(&name.as_str()) {
            return Err(native(
                "TX-FIELD",
                format!("unknown field {name:?}"),
                &format!("known: {}", FIELDS.join(", ")),
            ));
        }
    }
    Ok(())
}

fn wei(fields: &Bound<'_, PyDict>, name: &str) -> PyResult<U256> {
    let Some(number) = fields.get_item(name)?.filter(|value| !value.is_none()) else { return Ok(U256::ZERO) };
    convert::u256(name, &number)
}

fn access_list(fields: &Bound<'_, PyDict>) -> PyResult<AccessList> {
    let pairs: AccessPairs<'_> = match fields.get_item("access_list")? {
        Some(list) if !list.is_none() => list.extract()?,
        _ => Vec::new(),
    };
    let items = pairs.iter().map(|(address, keys)| {
        let address = convert::address("access_list address", address.as_bytes())?;
        let keys = keys.iter().map(|key| convert::hash("access_list key", key.as_bytes()));
        Ok(AccessListItem { address, storage_keys: keys.collect::<PyResult<Vec<B256>>>()? })
    });
    Ok(AccessList(items.collect::<PyResult<Vec<_>>>()?))
}

fn recipient(fields: &Bound<'_, PyDict>) -> PyResult<TxKind> {
    match fields.get_item("to")?.filter(|to| !to.is_none()) {
        Some(to) => Ok(TxKind::Call(convert::address("to", to.cast::<PyBytes>()?.as_bytes())?)),
        None => Ok(TxKind::Create),
    }
}

fn call_data(fields: &Bound<'_, PyDict>) -> PyResult<Bytes> {
    match fields.get_item("data")?.filter(|data| !data.is_none()) {
        Some(data) => Ok(Bytes::copy_from_slice(data.cast::<PyBytes>()?.as_bytes())),
        None => Ok(Bytes::new()),
    }
}

fn unsigned(fields: &Bound<'_, PyDict>) -> PyResult<Unsigned> {
    check_names(fields)?;
    let default_kind = u8::from(fields.contains("max_fee_per_gas")?) * 2;
    let kind: u8 = optional(fields, "type")?.unwrap_or(default_kind);
    let chain_id: u64 = required(fields, "chain_id")?;
    let nonce: u64 = required(fields, "nonce")?;
    let gas_limit: u64 = required(fields, "gas")?;
    let value = wei(fields, "value")?;
    let (to, input) = (recipient(fields)?, call_data(fields)?);
    let gas_price = optional(fields, "gas_price")?.unwrap_or(0_u128);
    let access_list = access_list(fields)?;
    match kind {
        0 => Ok(Unsigned::Legacy(TxLegacy {
            chain_id: Some(chain_id),
            nonce,
            gas_price,
            gas_limit,
            to,
            value,
            input,
        })),
        1 => Ok(Unsigned::Eip2930(TxEip2930 {
            chain_id,
            nonce,
            gas_price,
            gas_limit,
            to,
            value,
            access_list,
            input,
        })),
        2 => Ok(Unsigned::Eip1559(TxEip1559 {
            chain_id,
            nonce,
            gas_limit,
            max_fee_per_gas: optional(fields, "max_fee_per_gas")?.unwrap_or(0),
            max_priority_fee_per_gas: optional(fields, "max_priority_fee_per_gas")?.unwrap_or(0),
            to,
            value,
            access_list,
            input,
        })),
        _ => Err(native("TX-TYPE", format!("type {kind} cannot be signed here"), "use 0, 1, 2 or 0x48")),
    }
}

/// The fields of a transaction of our own type.
fn unsigned_own(fields: &Bound<'_, PyDict>) -> PyResult<OwnTransaction> {
    check_names(fields)?;
    let TxKind::Call(to) = recipient(fields)? else {
        return Err(native(
            "TX-FIELD",
            "a transaction of type 0x48 creates no contract",
            "add to, or use type 2",
        ));
    };
    Ok(OwnTransaction {
        chain_id: required(fields, "chain_id")?,
        suite: Suite::Standard,
        nonce: required(fields, "nonce")?,
        block_limit: required(fields, "block_limit")?,
        expires_at: required(fields, "expires_at")?,
        max_priority_fee_per_gas: optional(fields, "max_priority_fee_per_gas")?.unwrap_or(0),
        max_fee_per_gas: optional(fields, "max_fee_per_gas")?.unwrap_or(0),
        gas_limit: required(fields, "gas")?,
        to,
        value: wei(fields, "value")?,
        input: call_data(fields)?,
        access_list: access_list(fields)?,
    })
}

#[pyfunction]
pub fn sign_transaction<'py>(
    py: Python<'py>,
    secret: &[u8],
    fields: &Bound<'py, PyDict>,
) -> PyResult<Bound<'py, PyBytes>> {
    let secret = convert::array("secret", secret)?;
    let signed = if optional::<u8>(fields, "type")? == Some(OWN_TRANSACTION_TYPE) {
        let unsigned = unsigned_own(fields)?;
        py.detach(|| hansa_codec::sign_own_transaction(unsigned, &secret))
    } else {
        let unsigned = unsigned(fields)?;
        py.detach(|| hansa_codec::sign_transaction(unsigned, &secret))
    };
    let signed = signed.map_err(error::crypto)?;
    Ok(PyBytes::new(py, &signed.raw))
}

#[pyfunction]
pub fn decode_transaction<'py>(py: Python<'py>, raw: &[u8]) -> PyResult<Bound<'py, PyDict>> {
    let tx = hansa_codec::decode_transaction(raw, &TxLimits::STANDARD).map_err(error::transaction)?;
    let sender = py.detach(|| hansa_codec::recover_once(&tx)).map_err(error::transaction)?;
    describe(py, &tx, &sender)
}

fn describe<'py>(py: Python<'py>, tx: &Transaction, sender: &Address) -> PyResult<Bound<'py, PyDict>> {
    let out = PyDict::new(py);
    out.set_item("hash", PyBytes::new(py, tx.hash.as_slice()))?;
    out.set_item("type", tx.kind_id())?;
    out.set_item("chain_id", tx.chain_id())?;
    out.set_item("sender", PyBytes::new(py, sender.as_slice()))?;
    out.set_item("nonce", tx.nonce())?;
    out.set_item("gas", tx.gas_limit())?;
    out.set_item("to", tx.to().map(|to| PyBytes::new(py, to.as_slice())))?;
    out.set_item("value", convert::number(py, tx.value())?)?;
    out.set_item("data", PyBytes::new(py, tx.input()))?;
    out.set_item("max_fee_per_gas", tx.max_fee_per_gas())?;
    out.set_item("max_priority_fee_per_gas", tx.max_priority_fee_per_gas())?;
    out.set_item("signature", PyBytes::new(py, &tx.signature()))?;
    if let Some(own) = tx.own() {
        out.set_item("block_limit", own.block_limit)?;
        out.set_item("expires_at", own.expires_at)?;
    }
    Ok(out)
}

/// Signs legacy transactions in parallel, column by column: the i-th is signed by `secrets[senders[i]]`, goes to
/// `recipients[i]` with `inputs[i]`, and takes its sender's next nonce, counted from `nonces`.
#[pyfunction]
#[pyo3(signature = (secrets, nonces, senders, recipients, inputs, chain_id, value=1, gas=21_000, gas_price=0))]
#[expect(clippy::too_many_arguments, reason = "the columns of a list of transactions, named by the caller")]
pub fn sign_many<'py>(
    py: Python<'py>,
    secrets: Vec<Bound<'py, PyBytes>>,
    mut nonces: Vec<u64>,
    senders: Vec<usize>,
    recipients: Vec<Bound<'py, PyBytes>>,
    inputs: Vec<Bound<'py, PyBytes>>,
    chain_id: u64,
    value: u128,
    gas: u64,
    gas_price: u128,
) -> PyResult<Vec<Bound<'py, PyBytes>>> {
    let count = senders.len();
    let is_whole = recipients.len() == count && inputs.len() == count && secrets.len() == nonces.len();
    if !is_whole || count > SIGNED_MAX || senders.iter().any(|sender| *sender >= secrets.len()) {
        return Err(native(
            "TX-COLUMNS",
            format!(
                "{count} senders, {} recipients, {} inputs, {} secrets, {} nonces",
                recipients.len(),
                inputs.len(),
                secrets.len(),
                nonces.len()
            ),
            "give columns of one length, at most 4,000,000 transactions, and a nonce and a secret per sender",
        ));
    }
    let secrets = secrets
        .iter()
        .map(|s| convert::array("secret", s.as_bytes()))
        .collect::<PyResult<Vec<[u8; 32]>>>()?;
    let mut work = Vec::with_capacity(count);
    for ((sender, to), input) in senders.into_iter().zip(&recipients).zip(&inputs) {
        let to = convert::address("recipient", to.as_bytes())?;
        work.push((sender, nonces[sender], to, Bytes::copy_from_slice(input.as_bytes())));
        nonces[sender] += 1;
    }
    let sign = |(sender, nonce, to, input): (usize, u64, Address, Bytes)| {
        let to = TxKind::Call(to);
        let value = U256::from(value);
        let unsigned =
            TxLegacy { chain_id: Some(chain_id), nonce, gas_price, gas_limit: gas, to, value, input };
        hansa_codec::sign_transaction(Unsigned::Legacy(unsigned), &secrets[sender]).map(|tx| tx.raw)
    };
    let raws = py.detach(|| workers::map(work, sign));
    raws.into_iter().map(|raw| raw.map(|raw| PyBytes::new(py, &raw)).map_err(error::crypto)).collect()
}
