// SPDX-License-Identifier: GPL-2.0

//! NUMA nodes of physical addresses.
//!
//! C header: [`include/linux/numa.h`](srctree/include/linux/numa.h)

use kernel_bindings as bindings;

/// A NUMA node's number, or [`Node::NONE`].
///
/// # Examples
///
/// ```
/// use kernel_ext::numa::Node;
///
/// let node = Node::of_phys_addr(1 << 32);
/// assert!(node == Node::NONE || node.as_raw() >= 0);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node(i32);

impl Node {
    /// No particular node (`NUMA_NO_NODE`).
    pub const NONE: Node = Node(-1);

    /// Returns the online node that is nearest to the memory at `addr`.
    ///
    /// Where firmware says nothing about the address, that is [`Node::NONE`] or node 0, as the
    /// architecture has it.
    pub fn of_phys_addr(addr: u64) -> Self {
        // SAFETY: Takes any address; only looks it up in the firmware's tables.
        let target = unsafe { bindings::phys_to_target_node(addr) };
        // SAFETY: Takes any node number, `NUMA_NO_NODE` included.
        Node(unsafe { bindings::numa_map_to_online_node(target) })
    }

    /// Returns the number as C has it.
    pub fn as_raw(self) -> i32 {
        self.0
    }

    pub(crate) fn from_raw(node: i32) -> Self {
        Node(node)
    }
}
