// SPDX-License-Identifier: GPL-2.0

//! What happens to a region whose disk has been taken away while somebody still uses it.
//!
//! The memory must stay mapped until two things hold: nobody has the disk open, because file systems
//! and device mapper keep the kernel's address of it; and no page is in use, because processes have
//! pages mapped and devices have them pinned. Either may last as long as its user lives. Unbinding runs
//! under the device's lock, which shutdown takes, too, so it must not wait for that: it hands the region
//! to the keeper, a work item that belongs to no device.
//!
//! The items run on a work queue of the module's own. Its workers are not frozen, so that suspend,
//! reboot and kexec go on; and unloading the module destroys the queue, which waits until the last
//! item has returned.

use crate::{backing::Backing, medium::Medium, name::Name};
use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        atomic::{Acquire, Atomic, Release},
        Arc, Mutex,
    },
    time::{delay::fsleep, Delta},
    workqueue::{impl_has_work, new_work, Work, WorkItem},
};
use kernel_ext::{block::gen_disk::RemovedDisk, workqueue::OwnedQueue};

/// How often a region's users are looked for; and at first, when programs that have a disk unbound close it
/// right afterwards, as ndctl does, and bind another driver.
const POLL: Delta = Delta::from_millis(50);
const POLL_AT_FIRST: Delta = Delta::from_millis(1);
const LOOKS_AT_FIRST: u32 = 100;

/// Looks before the first message, and between two.
const LOOKS_BEFORE_MESSAGE: u32 = 2;
const LOOKS_BETWEEN: u32 = 600;

/// How often a bind looks whether the region has been released, before it fails: a second in all, for
/// those who bind right after they have unbound.
const LOOKS_OF_BIND: u32 = 20;

/// The queue on which regions wait for their users.
pub struct Keeper {
    queue: OwnedQueue,
}

impl Keeper {
    /// Makes the queue. Its last owner must not be one of its items.
    pub fn new() -> Result<Arc<Self>> {
        let queue = OwnedQueue::new(c"rpmem_keeper")?;
        Ok(Arc::new(Self { queue }, GFP_KERNEL)?)
    }

    /// Releases a region: at once if nobody uses it, as soon as that is so otherwise.
    pub fn release<B: Backing>(&self, region: Arc<Kept<B>>, disk: RemovedDisk<Medium<B>>) {
        let pages = disk.data().pages();
        if disk.is_open() || pages.first_in_use(0).is_some() || pages.is_failure_under_way() {
            *region.disk.lock() = Some(disk);
            // Refused for an item that waits already, and a region is released once.
            let _ = self.queue.enqueue(region);
        } else {
            drop(disk);
            region.is_released.store(true, Release);
        }
    }
}

/// A region that is, or will be, the keeper's. Made with the region: there may be no memory later.
#[pin_data]
pub struct Kept<B: Backing> {
    /// The name of the disk, for messages.
    name: Name,
    #[pin]
    disk: Mutex<Option<RemovedDisk<Medium<B>>>>,
    is_released: Atomic<bool>,
    #[pin]
    work: Work<Kept<B>>,
}

impl_has_work! {
    impl{B: Backing} HasWork<Self> for Kept<B> { self.work }
}

impl<B: Backing> Kept<B> {
    /// For disk `name`, which is still in use.
    pub fn new(name: Name) -> Result<Arc<Self>> {
        let new = pin_init!(Self {
            name,
            disk <- new_mutex!(None, "rpmem::kept"),
            is_released: Atomic::new(false),
            work <- new_work!("rpmem::kept"),
        });
        Arc::pin_init(new, GFP_KERNEL)
    }

    /// Whether the region is free again.
    pub fn is_released(&self) -> bool {
        self.is_released.load(Acquire)
    }

    /// Whether the region is free again, or is within a second.
    pub fn is_released_soon(&self) -> bool {
        for _ in 0..LOOKS_OF_BIND {
            if self.is_released() {
                return true;
            }
            fsleep(POLL);
        }
        self.is_released()
    }

    /// Says who is waited for. `page` is the offset of a page in use.
    fn report(&self, disk: &RemovedDisk<Medium<B>>, page: Option<usize>) {
        let range = disk.data().pages().range();
        match page {
            Some(page) => pr_warn!(
                "{}: {} is waiting for the last user of the page at byte {:#x}: end the processes that map it\n",
                self.name,
                range,
                page
            ),
            None => pr_warn!(
                "{}: {} is waiting for the last user of the disk: unmount the file system on it, remove the mapping on it, close it\n",
                self.name,
                range
            ),
        }
    }
}

impl<B: Backing> WorkItem for Kept<B> {
    type Pointer = Arc<Kept<B>>;

    fn run(this: Arc<Kept<B>>) {
        let Some(disk) = this.disk.lock().take() else {
            return;
        };
        let mut looks = LOOKS_BETWEEN - LOOKS_BEFORE_MESSAGE;
        let mut at_first = LOOKS_AT_FIRST;
        let mut offset = 0;
        loop {
            let page = if disk.is_open() {
                None
            } else {
                // Pages before this one are idle, and with the DAX device dead nobody gets them again.
                let Some(page) = disk.data().pages().first_in_use(offset) else {
                    break;
                };
                offset = page;
                Some(page)
            };
            if at_first != 0 {
                at_first -= 1;
                fsleep(POLL_AT_FIRST);
                continue;
            }
            looks += 1;
            if looks == LOOKS_BETWEEN {
                looks = 0;
                this.report(&disk, page);
            }
            fsleep(POLL);
        }
        drop(disk);
        this.is_released.store(true, Release);
        pr_info!("{}: released\n", this.name);
    }
}
