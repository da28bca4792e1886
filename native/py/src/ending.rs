//! How the process ends where it must not go on.

use std::panic::{set_hook, take_hook};

use hansa_state::DamagedState;

/// Ends the process at a read of a page of the state's file that does not hold, whichever thread it is on: an
/// exception could be caught on its way, and a thread of the core's own would end alone.
pub fn end_on_damage() {
    let usual = take_hook();
    set_hook(Box::new(move |panic| {
        if let Some(damaged) = panic.payload().downcast_ref::<DamagedState>() {
            eprintln!("{damaged}");
            std::process::abort();
        }
        usual(panic);
    }));
}
