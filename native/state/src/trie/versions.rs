//! Which versions there are, and which nodes only they need.
//!
//! An update makes a version out of another one, so the versions of a trie form a tree. A node belongs
//! to the version that made it, and to those after it up to the ones that have another node in its
//! place. So no node counts who holds it. A version lists the nodes that it has others for, and when
//! one goes that nobody holds, a look at the only version made from it tells what goes with it: of the
//! nodes listed there, those that were made after the version before it. The rest of that list is still
//! part of the version before, and waits in the list of the one after. A version from which two were
//! made waits until one of those is gone. The last version of a branch owns all nodes that were made
//! after the version from which it was made; a walk finds them.
//!
//! # Source
//! Birth times of blocks and dead lists of snapshots in ZFS: M. Ahrens, "How ZFS Snapshots Really Work", BSDCan 2019.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use parking_lot::Mutex;

use super::node::Link;
use super::pool::{self, NodeId};

/// The number of the version before the first.
const NONE: u64 = 0;

/// A node that a version has another one for, or none.
#[derive(Debug, Clone, Copy)]
pub(super) struct Replaced {
    node: NodeId,
    /// Bytes.
    size: u16,
    /// The version that made it.
    born: u64,
}

/// A version in memory, for as long as anybody holds it.
#[derive(Debug)]
pub(super) struct Version {
    lineage: Arc<Mutex<Lineage>>,
    number: u64,
    top: Link,
}

impl Drop for Version {
    fn drop(&mut self) {
        let (mut unused, mut own) = (Vec::new(), Vec::new());
        let mut walked = None;
        loop {
            let left = self.lineage.lock().leave(self.number, walked, &mut unused);
            let Some(parent) = left else { break };
            own.clear();
            // Whoever makes versions does not wait for this. What hangs below a node was made before it or with it.
            // SAFETY: the version is listed still, so nothing is freed of what it has.
            unsafe { collect(self.top, &|node| pool::born(node) > parent, &mut own) };
            walked = Some(parent);
        }
        for node in unused.iter().chain(&own) {
            // SAFETY: no version has these nodes, and each was listed once.
            unsafe { node.free() };
        }
    }
}

/// A version that is being made from another one, which it holds. Only an error or a panic leaves one that is not
/// committed; its nodes stay in memory.
#[derive(Debug)]
pub(crate) struct Draft {
    parent: Option<Arc<Version>>,
    lineage: Arc<Mutex<Lineage>>,
    number: u64,
    replaced: Vec<Replaced>,
}

impl Draft {
    /// On another version; on none where that has no nodes in memory.
    pub(super) fn on(parent: Option<Arc<Version>>) -> Self {
        let lineage = parent.as_ref().map(|parent| parent.lineage.clone()).unwrap_or_default();
        let number = lineage.lock().next();
        Self { parent, lineage, number, replaced: Vec::new() }
    }

    /// Whether it is made from that version.
    pub(super) fn is_on(&self, version: &Option<Arc<Version>>) -> bool {
        self.parent.as_ref().map(Arc::as_ptr) == version.as_ref().map(Arc::as_ptr)
    }

    /// The number that nodes made for it bear.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Takes note of nodes that it has others for. Those that were made for it are freed.
    pub(super) fn note_replaced(&mut self, nodes: Vec<Replaced>) {
        self.replaced.reserve(nodes.len());
        for node in nodes {
            if node.born == self.number {
                // SAFETY: only this draft had it, and has another one in its place.
                unsafe { node.free() };
            } else {
                self.replaced.push(node);
            }
        }
    }

    /// Takes note that it has nothing of what hangs at a link, but for what hangs at some others.
    pub(crate) fn note_gone(&mut self, link: Link, kept: &[Link]) {
        let kept: HashSet<NodeId> = kept.iter().filter_map(|link| link.memory()).collect();
        let mut nodes = Vec::new();
        // SAFETY: the version it is made from is held, and has what hangs there.
        unsafe { collect(link, &|node| !kept.contains(&node), &mut nodes) };
        self.note_replaced(nodes);
    }

    /// The version, whose top is at `top`.
    pub(super) fn commit(self, top: Link) -> Version {
        let parent = self.parent.as_ref().map_or(NONE, |parent| parent.number);
        self.lineage.lock().add(self.number, parent, self.replaced);
        Version { lineage: self.lineage, number: self.number, top }
    }
}

impl Replaced {
    /// What hangs at a link, unless it lies in a file.
    ///
    /// # Safety
    /// Somebody holds a version that has the node.
    pub(super) unsafe fn at(link: Link) -> Option<Self> {
        let node = link.memory()?;
        // SAFETY: the caller's promise. A node's size is a word of its header.
        unsafe { Some(Self { node, size: pool::node(node).bytes().len() as u16, born: pool::born(node) }) }
    }

    /// # Safety
    /// No version has the node, and nobody else frees it.
    unsafe fn free(&self) {
        // SAFETY: the caller's promise.
        unsafe { pool::free(self.node, usize::from(self.size)) };
    }
}

/// What is known of a version.
#[derive(Debug)]
struct Entry {
    /// The version before it, or [`NONE`].
    parent: u64,
    /// How many were made from it and are there still.
    children: usize,
    held: bool,
    /// The nodes of the version before that it has others for. None was made after that.
    replaced: Vec<Replaced>,
}

/// The versions that came from one, by number. A number is higher than those of the versions before it.
#[derive(Debug, Default)]
struct Lineage {
    last: u64,
    versions: BTreeMap<u64, Entry>,
}

impl Lineage {
    fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    fn add(&mut self, number: u64, parent: u64, replaced: Vec<Replaced>) {
        self.versions.insert(number, Entry { parent, children: 0, held: true, replaced });
        if let Some(parent) = self.versions.get_mut(&parent) {
            parent.children += 1;
        }
    }

    /// Nobody holds a version any more. Where none was made from it, it owns nodes: those made after the version
    /// before it. If that is the one above which they were `walked`, the version is off the list; else the answer
    /// says above which they have to be.
    fn leave(&mut self, number: u64, walked: Option<u64>, unused: &mut Vec<Replaced>) -> Option<u64> {
        let entry = self.versions.get_mut(&number)?;
        entry.held = false;
        if entry.children > 0 {
            self.join(number, unused);
            return None;
        }
        let parent = entry.parent;
        if walked != Some(parent) {
            return Some(parent);
        }
        self.versions.remove(&number);
        if let Some(entry) = self.versions.get_mut(&parent) {
            entry.children -= 1;
            self.join(parent, unused);
        }
        None
    }

    /// Makes one of a version and the only one that was made from it, where nobody holds it and there is only one.
    fn join(&mut self, number: u64, unused: &mut Vec<Replaced>) {
        let joins = |entry: &Entry| !entry.held && entry.children == 1;
        if !self.versions.get(&number).is_some_and(joins) {
            return;
        }
        let Some(gone) = self.versions.remove(&number) else { return };
        let mut later = self.versions.range_mut(number + 1..);
        let Some((_, heir)) = later.find(|(_, entry)| entry.parent == number) else { return };
        heir.parent = gone.parent;
        let mut replaced = std::mem::replace(&mut heir.replaced, gone.replaced);
        if gone.parent == NONE {
            unused.append(&mut replaced);
        } else {
            let (own, older): (Vec<_>, Vec<_>) =
                replaced.into_iter().partition(|node| node.born > gone.parent);
            unused.extend(own);
            heir.replaced.extend(older);
        }
    }
}

/// The nodes in memory at a link and below, down to those that are not wanted.
///
/// # Safety
/// Somebody holds a version that has the node at the link, or it is listed still.
unsafe fn collect(link: Link, wanted: &impl Fn(NodeId) -> bool, out: &mut Vec<Replaced>) {
    if !link.memory().is_some_and(wanted) {
        return;
    }
    // SAFETY: the caller's promise.
    let Some(found) = (unsafe { Replaced::at(link) }) else { return };
    out.push(found);
    // SAFETY: a version that has a node has those below it.
    unsafe { pool::node(found.node).links().for_each(|lower| collect(lower, wanted, out)) };
}
