//! What a revert says: Solidity's and Vyper's Error(string) and Panic(uint256).

use std::fmt;

use alloy_primitives::U256;

const ERROR_SELECTOR: [u8; 4] = [0x08, 0xc3, 0x79, 0xa0];
const PANIC_SELECTOR: [u8; 4] = [0x4e, 0x48, 0x7b, 0x71];

/// Longer messages are cut when decoded.
const MESSAGE_BYTES_MAX: usize = 4_096;

/// A decoded revert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RevertReason {
    /// Error(string): the contract's own words.
    Message(String),
    /// Panic(uint256): a check that the compiler put in.
    Panic(U256),
}

impl fmt::Display for RevertReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Message(message) => formatter.write_str(message),
            Self::Panic(code) => match panic_name(*code) {
                Some(name) => write!(formatter, "panic: {name} (0x{code:02x})"),
                None => write!(formatter, "panic: code 0x{code:02x}"),
            },
        }
    }
}

/// Decodes what a call returned when it reverted; none for custom errors and for nothing.
pub fn decode_revert(output: &[u8]) -> Option<RevertReason> {
    let (selector, arguments) = output.split_first_chunk::<4>()?;
    match *selector {
        ERROR_SELECTOR => {
            let start = word_as_usize(arguments, 0)?;
            let size = word_as_usize(arguments, start)?;
            let message = arguments.get(start.checked_add(32)?..)?.get(..size)?;
            let message = &message[..size.min(MESSAGE_BYTES_MAX)];
            Some(RevertReason::Message(String::from_utf8_lossy(message).into_owned()))
        }
        PANIC_SELECTOR => Some(RevertReason::Panic(U256::from_be_slice(arguments.get(..32)?))),
        _ => None,
    }
}

fn word_as_usize(bytes: &[u8], at: usize) -> Option<usize> {
    let word = bytes.get(at..at.checked_add(32)?)?;
    usize::try_from(U256::from_be_slice(word)).ok()
}

/// Names as in the Solidity documentation, "Panic via assert and Error via require".
fn panic_name(code: U256) -> Option<&'static str> {
    Some(match u64::try_from(code).ok()? {
        0x00 => "generic panic",
        0x01 => "assert(false)",
        0x11 => "arithmetic underflow or overflow",
        0x12 => "division or modulo by zero",
        0x21 => "enum overflow",
        0x22 => "invalid encoded storage byte array accessed",
        0x31 => "out-of-bounds array access; popping on an empty array",
        0x32 => "out-of-bounds access of an array or bytesN",
        0x41 => "out of memory",
        0x51 => "uninitialized function",
        _ => return None,
    })
}
