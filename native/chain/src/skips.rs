//! Numbers of skip reasons in the log. The list only ever grows at its end.

/// Stable codes; the number is the position.
const CODES: [&str; 18] = [
    "SKIP-NONCE-HIGH",
    "SKIP-NONCE-LOW",
    "SKIP-NONCE-MAX",
    "SKIP-FUNDS",
    "SKIP-INTRINSIC-GAS",
    "SKIP-GAS-CAP",
    "SKIP-BLOCK-GAS",
    "SKIP-FEE-LOW",
    "SKIP-TIP-HIGH",
    "SKIP-SENDER-CODE",
    "SKIP-INITCODE-SIZE",
    "SKIP-CHAIN-ID",
    "SKIP-UNPROTECTED",
    "SKIP-TYPE",
    "SKIP-MALFORMED",
    "SKIP-EXPIRED",
    "SKIP-BLOCK-LIMIT",
    "SKIP-NONCE-USED",
];

/// Position of the code that stands for every unlisted one.
const MALFORMED: usize = 14;

/// The number of a code; unlisted ones count as malformed.
pub fn number_of(code: &str) -> u8 {
    CODES.iter().position(|known| *known == code).unwrap_or(MALFORMED) as u8
}

/// The code of a number.
pub fn code_of(number: u8) -> Option<&'static str> {
    CODES.get(number as usize).copied()
}
