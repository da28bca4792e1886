//! Memory for nodes: chunks cut into runs of granules, counted pointers into them.
//!
//! A state root makes and drops some ten thousand nodes of a few hundred bytes. A general allocator
//! took a third of the time for that, and left them scattered. Here a node's size picks a list of
//! free places; the place freed last, still in the processor's cache, is taken first. Chunks lie on
//! large pages where the system has them.
//!
//! The counts of holders stand apart from the nodes, so that copying a node, which adds a holder to
//! each of its children, touches none of them.
//!
//! When versions move onto a newer file, few of many nodes stay, and they would keep all chunks. So the
//! chunks of before are retired: their places are not used again, and each goes back to the system
//! when its last node goes, except for some whose memory the nodes to come are going to fill: memory
//! that the system hands out has to be cleared first, on a virtual machine by its host, too.
//!
//! Invariants, on which the `unsafe` here rests:
//! - Whoever has a [`NodeId`] from [`allocate`] or [`hold`] holds the node until [`release`].
//! - A node is written between [`allocate`] and the moment a second holder or thread can see it
//!   (the end of the update that makes it), never afterwards.

use std::sync::atomic::{AtomicBool, AtomicIsize, AtomicPtr, AtomicU32, Ordering, fence};

use memmap2::{MmapMut, UncheckedAdvice};
use parking_lot::Mutex;

use super::node::{Link, NodeRef};
use super::warm::{ask_count, ask_head};

/// Bytes that sizes are rounded up to.
const GRANULE: usize = 32;

/// Granules in a chunk; a chunk is 32 MiB.
const CHUNK_GRANULES: usize = 1 << CHUNK_BITS;
const CHUNK_BITS: u32 = 20;

/// Chunks at most: 128 GiB.
const CHUNKS_MAX: usize = 1 << (u32::BITS - CHUNK_BITS);

/// More bytes than any node has.
pub(super) const NODE_BYTES_MAX: usize = 4_096;

/// Sizes in granules, zero included.
const CLASSES: usize = NODE_BYTES_MAX / GRANULE + 1;

/// More holders than any node can have; beyond it a count could turn over.
const HOLDERS_MAX: u32 = u32::MAX / 2;

/// A node in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NodeId(pub(super) u32);

/// Where a chunk's nodes and their counts lie; null until the chunk is made, then fixed for ever.
struct Chunk {
    nodes: AtomicPtr<u8>,
    counts: AtomicPtr<AtomicU32>,
    /// Whether its places are not used again one by one, but all together once none is in use.
    retired: AtomicBool,
    /// Granules in use, of a retired chunk.
    in_use: AtomicIsize,
}

static CHUNKS: [Chunk; CHUNKS_MAX] = [const {
    Chunk {
        nodes: AtomicPtr::new(std::ptr::null_mut()),
        counts: AtomicPtr::new(std::ptr::null_mut()),
        retired: AtomicBool::new(false),
        in_use: AtomicIsize::new(0),
    }
}; CHUNKS_MAX];

static RETIRING: Mutex<()> = Mutex::new(());

/// Places of each size that nobody uses.
static FREE: [Mutex<Vec<u32>>; CLASSES] = [const { Mutex::new(Vec::new()) }; CLASSES];

static FRESH: Mutex<Fresh> = Mutex::new(Fresh {
    chunks: Vec::new(),
    current: 0,
    next: 0,
    warm: Vec::new(),
    warm_max: 0,
    empty: Vec::new(),
});

/// What has never been used, or was given back as a whole.
struct Fresh {
    /// The memory of each chunk's nodes, and how many of its granules have been handed out.
    chunks: Vec<(MmapMut, usize)>,
    current: usize,
    next: usize,
    /// Chunks in which nothing is in use, with their memory, and how many of them there may be.
    warm: Vec<usize>,
    warm_max: usize,
    /// Chunks that were given back.
    empty: Vec<usize>,
}

/// A place for a node of `size` bytes, held once. Its bytes are those of whatever was there before.
pub(super) fn allocate(size: usize) -> NodeId {
    let class = size.div_ceil(GRANULE);
    let free = FREE[class].lock().pop();
    let id = free.unwrap_or_else(|| FRESH.lock().take(class));
    count(NodeId(id)).store(1, Ordering::Relaxed);
    NodeId(id)
}

/// Adds a holder.
pub(super) fn hold(link: Link) {
    let Some(id) = link.memory() else { return };
    // Relaxed: whoever adds a holder is one.
    if count(id).fetch_add(1, Ordering::Relaxed) > HOLDERS_MAX {
        // Only leaked holders can come to that many; going on would free what is in use.
        std::process::abort();
    }
}

/// Gives up a holder; the last one frees the node and gives up its children.
pub(super) fn release(link: Link) {
    let Some(id) = link.memory() else { return };
    // Release, and acquire for the last: all that holders did happens before the place is reused.
    if count(id).fetch_sub(1, Ordering::Release) != 1 {
        return;
    }
    fence(Ordering::Acquire);
    // SAFETY: the count came to zero through our holder, so nobody frees the node before us.
    let node = unsafe { node(id) };
    node.owned_links().for_each(ask_count);
    node.owned_links().filter(is_last).for_each(|link| ask_head(&None, link));
    node.owned_links().for_each(release);
    free(id);
}

/// Frees a node that has one holder, us, whose children somebody else took over.
pub(super) fn free(id: NodeId) {
    // SAFETY: we are its last holder, so it has not been freed yet.
    let size = unsafe { node(id) }.bytes().len();
    free_place(id.0, size.div_ceil(GRANULE));
}

/// Whether a node has one holder, as far as can be seen just now.
fn is_last(link: &Link) -> bool {
    link.memory().is_some_and(|id| count(id).load(Ordering::Relaxed) == 1)
}

fn free_place(id: u32, class: usize) {
    let (index, _) = split(id);
    let chunk = &CHUNKS[index];
    if chunk.retired.load(Ordering::Acquire) {
        // Classes are far below what a count holds.
        chunk.add_in_use(index, -(class as isize));
    } else {
        FREE[class].lock().push(id);
    }
}

/// A node's bytes.
///
/// # Safety
/// The caller holds the node, or something that does, for as long as it uses the answer.
pub(super) unsafe fn node<'a>(id: NodeId) -> NodeRef<'a> {
    // SAFETY: a held place has its header, whose size lies within the place.
    unsafe {
        let at = place(id);
        let size = NodeRef::size_of(std::slice::from_raw_parts(at, NodeRef::HEADER));
        NodeRef::new(std::slice::from_raw_parts(at, size))
    }
}

/// A node's bytes for writing, `size` of them.
///
/// # Safety
/// The node was allocated for at least `size` bytes in an update that has not ended, and nobody
/// else reads or writes it meanwhile.
pub(super) unsafe fn node_mut<'a>(id: NodeId, size: usize) -> &'a mut [u8] {
    // SAFETY: by the caller's promise the place has that many bytes and no other user. Chunks are
    // mapped zeroed, so all of them are initialised.
    unsafe { std::slice::from_raw_parts_mut(place(id), size) }
}

/// Where a node lies, without touching it.
pub(super) fn place(id: NodeId) -> *mut u8 {
    let (chunk, granule) = split(id.0);
    CHUNKS[chunk].nodes.load(Ordering::Acquire).wrapping_add(granule * GRANULE)
}

/// Sets all memory that is in use now apart: new nodes lie elsewhere, and each chunk goes back to the
/// system with the last of its nodes, unless fewer than `warm_max` are kept for new nodes. For who is
/// about to let go of most of them.
pub fn retire(warm_max: usize) {
    let _one = RETIRING.lock();
    let mut fresh = FRESH.lock();
    fresh.warm_max = warm_max;
    // From here on nothing more is handed out of these chunks.
    fresh.next = CHUNK_GRANULES;
    let retired: Vec<(usize, usize)> = (fresh.chunks.iter().enumerate())
        .filter(|(index, (_, used))| *used > 0 && !CHUNKS[*index].retired.swap(true, Ordering::AcqRel))
        .map(|(index, (_, used))| (index, *used))
        .collect();
    drop(fresh);
    let mut in_use = vec![0; CHUNKS_MAX];
    retired.iter().for_each(|(index, used)| in_use[*index] = *used);
    for (class, list) in FREE.iter().enumerate() {
        let free = std::mem::take(&mut *list.lock());
        for id in free {
            match split(id).0 {
                chunk if in_use[chunk] > 0 => in_use[chunk] -= class,
                // Of a chunk made meanwhile, or of one retired earlier.
                _ => free_place(id, class),
            }
        }
    }
    for (index, _) in retired {
        // Places that were freed since the mark was set have been taken off already.
        CHUNKS[index].add_in_use(index, in_use[index] as isize);
    }
}

impl Chunk {
    /// Counts granules in use of a retired chunk; what comes to nothing goes back to the system.
    fn add_in_use(&self, index: usize, granules: isize) {
        // The count is below zero until `retire` has added what was in use; so it passes zero once.
        if self.in_use.fetch_add(granules, Ordering::AcqRel) + granules == 0 {
            FRESH.lock().give_back(index);
        }
    }
}

fn split(id: u32) -> (usize, usize) {
    ((id >> CHUNK_BITS) as usize, id as usize & (CHUNK_GRANULES - 1))
}

/// Where a node's holders are counted, without touching it.
pub(super) fn count_place(id: NodeId) -> *const AtomicU32 {
    let (chunk, granule) = split(id.0);
    CHUNKS[chunk].counts.load(Ordering::Acquire).wrapping_add(granule)
}

fn count(id: NodeId) -> &'static AtomicU32 {
    // SAFETY: ids are made by `Fresh::take` only, after their chunk's counts, which are never freed.
    unsafe { &*count_place(id) }
}

impl Fresh {
    fn take(&mut self, granules: usize) -> u32 {
        if self.chunks.is_empty() || self.next + granules > CHUNK_GRANULES {
            match self.warm.pop().or_else(|| self.empty.pop()) {
                Some(index) => self.current = index,
                None => self.grow(),
            }
            self.next = 0;
        }
        let id = (self.current << CHUNK_BITS) + self.next;
        self.next += granules;
        self.chunks[self.current].1 += granules;
        // Chunks are bounded by what an id can name.
        id as u32
    }

    /// Takes back a retired chunk in which nothing is in use.
    fn give_back(&mut self, index: usize) {
        let (memory, used) = &mut self.chunks[index];
        *used = 0;
        if self.warm.len() < self.warm_max {
            self.warm.push(index);
        } else {
            // SAFETY: no place of this chunk is in use or on a free list, so nobody has a pointer into
            // it. A refusal costs memory, nothing else.
            let _ = unsafe { memory.unchecked_advise(UncheckedAdvice::DontNeed) };
            self.empty.push(index);
        }
        CHUNKS[index].retired.store(false, Ordering::Release);
    }

    fn grow(&mut self) {
        let index = self.chunks.len();
        assert!(index < CHUNKS_MAX, "the state needs more than {CHUNKS_MAX} chunks of memory");
        let mut memory = map_zeroed(CHUNK_GRANULES * GRANULE);
        let counts = Box::leak(Box::new(map_zeroed(CHUNK_GRANULES * size_of::<AtomicU32>())));
        CHUNKS[index].counts.store(counts.as_mut_ptr().cast(), Ordering::Release);
        CHUNKS[index].nodes.store(memory.as_mut_ptr(), Ordering::Release);
        self.chunks.push((memory, 0));
        self.current = index;
    }
}

/// Memory on large pages, where the system has them; where not, small ones do.
fn map_zeroed(bytes: usize) -> MmapMut {
    let Ok(memory) = MmapMut::map_anon(bytes) else {
        // The layout is only told in the message.
        std::alloc::handle_alloc_error(std::alloc::Layout::new::<[u8; CHUNK_GRANULES * GRANULE]>())
    };
    #[cfg(target_os = "linux")]
    let _ = memory.advise(memmap2::Advice::HugePage);
    memory
}
