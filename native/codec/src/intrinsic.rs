//! What a transaction costs before its first instruction, and the least it costs at all.

use crate::Transaction;

const BASE: u64 = 21_000;
const CREATE: u64 = 32_000;
const ZERO_BYTE: u64 = 4;
const OTHER_BYTE: u64 = 16;
const INIT_CODE_WORD: u64 = 2;
const ACCESS_ADDRESS: u64 = 2_400;
const ACCESS_KEY: u64 = 1_900;
const AUTHORIZATION: u64 = 25_000;
const FLOOR_PER_TOKEN: u64 = 10;
const TOKENS_PER_OTHER_BYTE: u64 = 4;

/// Which gas rules apply; later forks include the earlier ones' facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GasRules {
    /// EIP-3860 (Shanghai): creation code is charged by the word.
    pub init_code_charged: bool,
    /// EIP-7623 (Prague): call data has a floor price.
    pub data_floor: bool,
}

impl GasRules {
    /// Osaka and Prague.
    pub const PRAGUE: Self = Self { init_code_charged: true, data_floor: true };
    /// Cancun and Shanghai.
    pub const CANCUN: Self = Self { init_code_charged: true, data_floor: false };
    /// Istanbul to Paris, for Ethereum's older test vectors.
    pub const LONDON: Self = Self { init_code_charged: false, data_floor: false };
}

/// The least gas limits of a transaction. Both must fit in its gas limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IntrinsicGas {
    /// Charged before execution begins.
    pub initial: u64,
    /// Charged at least, whatever execution uses (EIP-7623); 0 where the rule does not apply.
    pub floor: u64,
}

impl IntrinsicGas {
    /// The smallest gas limit with which the transaction is valid.
    pub fn required(&self) -> u64 {
        self.initial.max(self.floor)
    }
}

/// Computes the intrinsic gas. The decoder's limits keep every sum far below 2^64.
///
/// # Source
/// Yellow paper g0; EIP-2028, EIP-2930, EIP-3860, EIP-7623, EIP-7702.
pub fn intrinsic_gas(tx: &Transaction, rules: GasRules) -> IntrinsicGas {
    let input = tx.input();
    let zeros = count_zeros(input);
    let others = input.len() as u64 - zeros;
    let mut initial = BASE + zeros * ZERO_BYTE + others * OTHER_BYTE;
    if tx.kind().is_create() {
        initial += CREATE;
        if rules.init_code_charged {
            initial += (input.len() as u64).div_ceil(32) * INIT_CODE_WORD;
        }
    }
    if let Some(list) = tx.access_list() {
        initial += list.0.len() as u64 * ACCESS_ADDRESS + list.storage_keys_count() as u64 * ACCESS_KEY;
    }
    initial += tx.authorizations().len() as u64 * AUTHORIZATION;
    let tokens = zeros + others * TOKENS_PER_OTHER_BYTE;
    let floor = if rules.data_floor { BASE + tokens * FLOOR_PER_TOKEN } else { 0 };
    IntrinsicGas { initial, floor }
}

fn count_zeros(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| **byte == 0).count() as u64
}
