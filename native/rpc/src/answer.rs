//! The bytes of a result, and of a whole answer around it.

use serde::Serialize;

use crate::error::RpcError;

/// JSON text of a result, or the error.
pub type Answer = Result<Vec<u8>, RpcError>;

/// Largest answer to one body, in bytes; what comes after gets an error instead.
pub const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Serialises a result.
pub(crate) fn json_bytes<T: Serialize>(value: &T) -> Answer {
    serde_json::to_vec(value).map_err(|error| RpcError::internal(error.to_string()))
}

/// The result `null`: nothing there, and that is no error.
pub(crate) fn null() -> Answer {
    Ok(b"null".to_vec())
}

/// Appends `{"jsonrpc":"2.0","id":…,"result":…}` or the error object.
pub(crate) fn write_answer(out: &mut Vec<u8>, id: &str, answer: &Answer) {
    out.extend_from_slice(b"{\"jsonrpc\":\"2.0\",\"id\":");
    out.extend_from_slice(id.as_bytes());
    match answer {
        Ok(result) => {
            out.extend_from_slice(b",\"result\":");
            out.extend_from_slice(result);
        }
        Err(error) => {
            out.extend_from_slice(b",\"error\":");
            out.extend_from_slice(&error.to_json());
        }
    }
    out.push(b'}');
}
