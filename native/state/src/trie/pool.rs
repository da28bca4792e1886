//! Memory for nodes: chunks cut into runs of granules.
//!
//! A state root makes and drops some ten thousand nodes of a few hundred bytes. A general allocator
//! took a third of the time for that, and left them scattered. Here a node's size picks a list of
//! free places; the place freed last, still in the processor's cache, is taken first. Chunks lie on
//! large pages where the system has them.
//!
//! In front of a node stands which version made it; [`super::versions`] says when it is not used any more.
//!
//! When versions move onto a newer file, few of many nodes stay, and they would keep all chunks. So the
//! chunks of before are retired: their places are not used again, and each goes back to the system
//! when its last node goes, except for some whose memory the nodes to come are going to fill: memory
//! that the system hands out has to be cleared first, on a virtual machine by its host, too.
//!
//! Invariants, on which the `unsafe` here rests:
//! - Whoever holds a version has all of its nodes; a node is freed once, when no version has it.
//! - A node is written between [`allocate`] and the moment a second version or thread can see it
//!   (the end of the update that makes it), never afterwards.

use std::sync::atomic::{AtomicBool, AtomicIsize, AtomicPtr, Ordering};

use memmap2::{MmapMut, UncheckedAdvice};
use parking_lot::Mutex;

use super::node::NodeRef;
use super::warm::ask_for;

/// Bytes that sizes are rounded up to.
const GRANULE: usize = 32;

/// Granules in a chunk; a chunk is 32 MiB.
const CHUNK_GRANULES: usize = 1 << CHUNK_BITS;
const CHUNK_BITS: u32 = 20;

/// Chunks at most: 128 GiB.
const CHUNKS_MAX: usize = 1 << (u32::BITS - CHUNK_BITS);

/// More bytes than any node has.
pub(super) const NODE_BYTES_MAX: usize = 4_096;

/// Bytes in front of a node: the number of the version that made it.
const BIRTH_BYTES: usize = size_of::<u64>();

/// Stands in front of a free place where that is checked.
const FREED: u64 = u64::MAX;

/// Sizes in granules, zero included.
const CLASSES: usize = class_of(NODE_BYTES_MAX) + 1;

/// A node in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct NodeId(pub(super) u32);

/// Where a chunk's nodes lie; null until the chunk is made, then fixed for ever.
struct Chunk {
    nodes: AtomicPtr<u8>,
    /// Whether its places are not used again one by one, but all together once none is in use.
    retired: AtomicBool,
    /// Granules in use, of a retired chunk.
    in_use: AtomicIsize,
}

static CHUNKS: [Chunk; CHUNKS_MAX] = [const {
    Chunk {
        nodes: AtomicPtr::new(std::ptr::null_mut()),
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

/// A place for a node of `size` bytes that the version `born` makes. Its bytes are those of whatever was
/// there before.
pub(super) fn allocate(size: usize, born: u64) -> NodeId {
    let class = class_of(size);
    let (free, next) = {
        let mut places = FREE[class].lock();
        (places.pop(), places.last().copied())
    };
    // Written soon, by whoever makes the next node of that size: it is in the cache by then.
    next.into_iter().for_each(|id| ask_for(birth_place(NodeId(id)).cast(), class * GRANULE));
    let id = NodeId(free.unwrap_or_else(|| FRESH.lock().take(class)));
    // SAFETY: the place has room for that, and nobody else knows of it. Granules are aligned for it.
    unsafe { birth_place(id).write(born) };
    id
}

/// Frees a node of `size` bytes.
///
/// # Safety
/// No version has the node, `size` is its own, and nobody else frees it.
pub(super) unsafe fn free(id: NodeId, size: usize) {
    if cfg!(debug_assertions) {
        // SAFETY: the caller's promise; the place is nobody else's until `free_place`.
        let born = unsafe { birth_place(id).replace(FREED) };
        assert_ne!(born, FREED, "a node was freed twice");
    }
    free_place(id.0, class_of(size));
}

/// Bytes that nodes in memory take; for tests.
#[doc(hidden)]
pub fn bytes_in_use() -> usize {
    let _one = RETIRING.lock();
    let handed_out: usize = {
        let fresh = FRESH.lock();
        let retired = |index: usize| CHUNKS[index].retired.load(Ordering::Acquire);
        let used = fresh.chunks.iter().enumerate().filter(|(index, _)| !retired(*index));
        used.map(|(_, (_, used))| *used).sum()
    };
    let free: usize = FREE.iter().enumerate().map(|(class, list)| class * list.lock().len()).sum();
    let retired: isize = CHUNKS.iter().map(|chunk| chunk.in_use.load(Ordering::Acquire)).sum();
    // Nodes come and go meanwhile.
    handed_out.saturating_add_signed(retired).saturating_sub(free) * GRANULE
}

/// The number of the version that made a node.
///
/// # Safety
/// As for [`node`].
pub(super) unsafe fn born(id: NodeId) -> u64 {
    // SAFETY: the caller's promise; `allocate` wrote it.
    unsafe { birth_place(id).read() }
}

/// Granules that a node of `size` bytes takes.
const fn class_of(size: usize) -> usize {
    (BIRTH_BYTES + size).div_ceil(GRANULE)
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
/// Somebody holds a version that has the node for as long as the caller uses the answer.
pub(super) unsafe fn node<'a>(id: NodeId) -> NodeRef<'a> {
    // SAFETY: a place in use has its header, whose size lies within the place.
    unsafe {
        debug_assert_ne!(born(id), FREED, "a free node was read");
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
    birth_place(id).cast::<u8>().wrapping_add(BIRTH_BYTES)
}

fn birth_place(id: NodeId) -> *mut u64 {
    let (chunk, granule) = split(id.0);
    CHUNKS[chunk].nodes.load(Ordering::Acquire).wrapping_add(granule * GRANULE).cast()
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
