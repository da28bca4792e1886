//! A state in chunks that anybody can check against its root: how a node that is far behind takes it over.
//!
//! A chunk answers a [`Task`]: everything that hangs at one place of a trie, or, where that is too much, the node at
//! that place alone, which names the places below it. What a place is called follows from the chunk above it, the
//! topmost from the sealed header's state root: so whatever is not exactly the state of that root is refused at once,
//! leaf by leaf missing, added or altered, from whomever it comes, in whatever order.
//!
//! * [`chunk`]: what is asked for and answered, as bytes.
//! * [`serve`]: answering, from a state that somebody holds.
//! * [`check`]: holding an answer against its task; the tasks that follow from it.
//! * [`build`]: the state of all chunks.

pub mod build;
pub mod check;
pub mod chunk;
pub mod serve;
#[cfg(test)]
mod tests;

pub use build::StateBuilder;
pub use check::check;
pub use chunk::{Chunk, Task};
pub use serve::serve;
