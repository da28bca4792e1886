//! placeholder
#[derive(Debug)]
pub struct StateTestReport {}
/// placeholder
pub fn run_state_test_file(_: &[u8]) {}
