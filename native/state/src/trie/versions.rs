//! Which versions there are, and which nodes only they need.
//!
//! An update makes a version out of another one, so the versions of a trie form a tree. A node belongs
//! to the version that made it, and to those after it up to the ones that have another node in its
//! place. So no node counts who holds it. A version lists the nodes that it has others for, and when
//! one goes that nobody holds, a look at the only version made from it tells what goes with it: of the
//! nodes listed there, those that were made after the version before it. The rest of that list is still
//! part of the version before, and waits in the list of the one after. A version from which two were
//! made waits until one of those is gone. The last version of a branch owns all nodes that were made
//! after the version from which it was made.
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
        let unused = self.lineage.lock().let_go(self.number, self.top);
        free_all(&unused);
    }
}

/// A version that is being made. Whoever makes it holds the one that it is made from. Nodes of one that is not
/// committed stay in memory.
#[derive(Debug)]
pub(crate) struct Draft {
    lineage: Arc<Mutex<Lineage>>,
    parent: u64,
    number: u64,
    replaced: Vec<Replaced>,
}

impl Draft {
    /// On another version; on none where that has no nodes in memory.
    pub(super) fn on(version: Option<&Version>) -> Self {
        let (lineage, parent) =
            version.map_or_else(Default::default, |version| (version.lineage.clone(), version.number));
        let number = lineage.lock().next();
        Self { lineage, parent, number, replaced: Vec::new() }
    }

    /// The number that nodes made for it bear.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Takes note of nodes that it has others for. Those that were made for it are freed.
    pub(super) fn replace(&mut self, nodes: Vec<Replaced>) {
        self.replaced.reserve(nodes.len());
        let (own, older): (Vec<Replaced>, _) = nodes.into_iter().partition(|node| node.born == self.number);
        free_all(&own);
        self.replaced.extend(older);
    }

    /// Takes note that it has nothing of what hangs at a link.
    pub(crate) fn replace_below(&mut self, link: Link) {
        self.replace_around(link, &[]);
    }

    /// Takes note that it has nothing of what hangs at a link but what hangs at some others.
    pub(super) fn replace_around(&mut self, link: Link, kept: &[Link]) {
        let kept: HashSet<NodeId> = kept.iter().filter_map(|link| link.memory()).collect();
        let mut nodes = Vec::new();
        // SAFETY: the version it is made from is held, and has what hangs there.
        unsafe { collect(link, &|found| !kept.contains(&found.node), &mut nodes) };
        self.replace(nodes);
    }

    /// The version, whose top is at `top`.
    pub(super) fn commit(self, top: Link) -> Version {
        self.lineage.lock().add(self.number, self.parent, self.replaced);
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

    /// Nobody holds a version any more; the answer are the nodes that no version has.
    fn let_go(&mut self, number: u64, top: Link) -> Vec<Replaced> {
        let mut unused = Vec::new();
        let Some(entry) = self.versions.get_mut(&number) else { return unused };
        entry.held = false;
        if entry.children > 0 {
            self.join(number, &mut unused);
            return unused;
        }
        let parent = entry.parent;
        // What hangs below a node was made before it or with it.
        // SAFETY: as long as the version is listed, nothing of it is freed, and the lock keeps it listed.
        unsafe { collect(top, &|found| found.born > parent, &mut unused) };
        self.versions.remove(&number);
        if let Some(entry) = self.versions.get_mut(&parent) {
            entry.children -= 1;
            self.join(parent, &mut unused);
        }
        unused
    }

    /// Makes one of a version that nobody holds and the only one that was made from it.
    fn join(&mut self, number: u64, unused: &mut Vec<Replaced>) {
        let alone = |entry: &&Entry| !entry.held && entry.children == 1;
        if self.versions.get(&number).filter(alone).is_none() {
            return;
        }
        let Some(gone) = self.versions.remove(&number) else { return };
        let Some(heir) = self.versions.values_mut().find(|entry| entry.parent == number) else { return };
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
/// Somebody holds a version that has the node at the link.
unsafe fn collect(link: Link, wanted: &impl Fn(&Replaced) -> bool, out: &mut Vec<Replaced>) {
    // SAFETY: the caller's promise.
    let found = unsafe { Replaced::at(link) };
    if let Some(found) = found.filter(wanted) {
        out.push(found);
        // SAFETY: whoever has a node has those below it.
        unsafe { pool::node(found.node).links().for_each(|lower| collect(lower, wanted, out)) };
    }
}

fn free_all(nodes: &[Replaced]) {
    // No version has these nodes, and each was listed once.
    nodes.iter().for_each(|node| pool::free(node.node, usize::from(node.size)));
}
