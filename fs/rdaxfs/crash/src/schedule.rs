// SPDX-License-Identifier: GPL-2.0

//! Operations side by side, one step at a time, in an order that is chosen.

use std::any::Any;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use crate::event::on_cpu;
use crate::explore::panic_message;

/// How many orders to try.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// How often a CPU that could go on is stopped in favour of another, at most.
    pub preemptions: usize,
    /// The number of orders, at most.
    pub schedules: usize,
}

/// The orders in which operations can run, one after the other.
#[derive(Debug)]
pub struct Schedules {
    bounds: Bounds,
    next: Option<Vec<usize>>,
    tried: usize,
}

/// One order: decisions up to a place; from there on, whoever runs goes on.
#[derive(Debug)]
pub struct Schedule {
    script: Vec<usize>,
    preemptions: usize,
}

/// What became of a schedule.
#[derive(Debug)]
pub struct Run {
    /// Which decisions there were: of how many, and which.
    decisions: Vec<(usize, usize)>,
    /// Why it failed: a panic of an operation, or locks that each waits for.
    pub failure: Option<String>,
}

impl Schedules {
    /// All within the bounds.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            next: Some(Vec::new()),
            tried: 0,
        }
    }

    /// The next order, which is to be run and then [`advance`](Self::advance)d from.
    #[must_use]
    pub fn next_schedule(&self) -> Option<Schedule> {
        let script = self
            .next
            .clone()
            .filter(|_| self.tried < self.bounds.schedules)?;
        Some(Schedule {
            script,
            preemptions: self.bounds.preemptions,
        })
    }

    /// Goes on to the order after that of `run`.
    pub fn advance(&mut self, run: &Run) {
        self.tried += 1;
        let mut script = run.decisions.clone();
        while script
            .last()
            .is_some_and(|&(options, taken)| taken + 1 == options)
        {
            script.pop();
        }
        if let Some((_, taken)) = script.last_mut() {
            *taken += 1;
        }
        self.next = (!script.is_empty()).then(|| script.iter().map(|&(_, taken)| taken).collect());
    }

    /// How many were tried.
    #[must_use]
    pub fn tried(&self) -> usize {
        self.tried
    }

    /// Whether all within the bound of preemptions were.
    #[must_use]
    pub fn exhausted(&self) -> bool {
        self.next.is_none()
    }
}

/// An operation on a CPU of its own.
pub type Body<'a> = Box<dyn FnOnce() + Send + 'a>;

impl Schedule {
    /// Runs the operations, the n-th on logical CPU n, each in a thread. One of them runs at any time; another may
    /// go on at the fences of a [`Recorder`](crate::Recorder) and when a [`Lock`](crate::Lock) is taken.
    pub fn run(&self, bodies: Vec<Body<'_>>) -> Run {
        let scheduler = Arc::new(Scheduler::new(self, bodies.len()));
        std::thread::scope(|scope| {
            for (cpu, body) in bodies.into_iter().enumerate() {
                let scheduler = scheduler.clone();
                scope.spawn(move || {
                    TURN.set(Some(Turn {
                        scheduler: scheduler.clone(),
                        cpu,
                    }));
                    let body = || {
                        scheduler.wait(scheduler.state(), cpu);
                        on_cpu(cpu as u32, body);
                    };
                    let end = catch_unwind(AssertUnwindSafe(body));
                    TURN.set(None);
                    scheduler.end(cpu, end.err());
                });
            }
        });
        let mut state = scheduler.state();
        Run {
            decisions: std::mem::take(&mut state.decisions),
            failure: state.failure.take(),
        }
    }
}

#[derive(Clone)]
struct Turn {
    scheduler: Arc<Scheduler>,
    cpu: usize,
}

thread_local! {
    static TURN: RefCell<Option<Turn>> = const { RefCell::new(None) };
}

/// What the threads are ended with when none can go on.
struct Stopped;

struct Scheduler {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    /// Whose turn it is.
    current: usize,
    threads: Vec<Thread>,
    /// Locks, by address, and who holds them.
    held: BTreeMap<usize, usize>,
    script: Vec<usize>,
    decisions: Vec<(usize, usize)>,
    preemptions: usize,
    failure: Option<String>,
    stopped: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Thread {
    Ready,
    /// Waits for one of these locks.
    Waiting(Vec<usize>),
    Ended,
}

impl Scheduler {
    fn new(schedule: &Schedule, threads: usize) -> Self {
        let mut state = State {
            current: 0,
            threads: vec![Thread::Ready; threads],
            held: BTreeMap::new(),
            script: schedule.script.clone(),
            decisions: Vec::new(),
            preemptions: schedule.preemptions,
            failure: None,
            stopped: false,
        };
        state.hand_over();
        Self {
            state: Mutex::new(state),
            changed: Condvar::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Waits for its turn, and ends the thread if there will be none.
    fn wait(&self, state: MutexGuard<'_, State>, cpu: usize) {
        self.changed.notify_all();
        let waiting = |state: &mut State| state.current != cpu && !state.stopped;
        let state = self.changed.wait_while(state, waiting);
        let stopped = state
            .unwrap_or_else(|poisoned| poisoned.into_inner())
            .stopped;
        // A guard that is dropped on the way out comes here too.
        if stopped && !std::thread::panicking() {
            resume_unwind(Box::new(Stopped));
        }
    }

    fn end(&self, cpu: usize, panic: Option<Box<dyn Any + Send>>) {
        let mut state = self.state();
        state.threads[cpu] = Thread::Ended;
        if let Some(panic) = panic.filter(|panic| !panic.is::<Stopped>()) {
            state.fail(format!("CPU {cpu}: {}", panic_message(&*panic)));
        }
        if !state.stopped {
            state.hand_over();
        }
        self.changed.notify_all();
    }
}

impl State {
    fn ready(&self) -> impl Iterator<Item = usize> + '_ {
        let ready = self.threads.iter().enumerate();
        ready
            .filter(|(_, thread)| **thread == Thread::Ready)
            .map(|(cpu, _)| cpu)
    }

    fn decide(&mut self, options: &[usize]) -> usize {
        if options.len() == 1 {
            return 0;
        }
        let taken = self.script.get(self.decisions.len()).copied().unwrap_or(0);
        self.decisions.push((options.len(), taken));
        taken
    }

    /// Another one goes on, because the current one cannot.
    fn hand_over(&mut self) {
        let options: Vec<usize> = self.ready().collect();
        if !options.is_empty() {
            let taken = self.decide(&options);
            self.current = options[taken];
        } else if self.threads.iter().any(|thread| *thread != Thread::Ended) {
            let waiting = self.threads.iter().enumerate();
            let waiting = waiting.filter(|(_, thread)| **thread != Thread::Ended);
            let cpus: Vec<usize> = waiting.map(|(cpu, _)| cpu).collect();
            self.fail(format!(
                "deadlock: CPUs {cpus:?} wait for locks that are held: {:?}",
                self.held
            ));
        }
    }

    /// Another one may go on, although the current one could.
    fn preempt(&mut self, cpu: usize) {
        if self.preemptions == 0 {
            return;
        }
        let mut options = vec![cpu];
        options.extend(self.ready().filter(|&other| other != cpu));
        let taken = self.decide(&options);
        if taken != 0 {
            self.preemptions -= 1;
        }
        self.current = options[taken];
    }

    fn fail(&mut self, reason: String) {
        self.failure.get_or_insert(reason);
        self.stopped = true;
    }
}

fn this_turn() -> Option<Turn> {
    TURN.with_borrow(Clone::clone)
}

/// A place at which another CPU may go on.
pub(crate) fn turn() {
    let Some(Turn { scheduler, cpu }) = this_turn() else {
        return;
    };
    let mut state = scheduler.state();
    if !state.stopped {
        state.preempt(cpu);
    }
    scheduler.wait(state, cpu);
}

/// Takes the first lock of `locks` that is free, and waits as long as none is; which one. [`None`] if
/// the thread runs alone.
pub(crate) fn acquire(locks: &[usize]) -> Option<usize> {
    turn();
    let Turn { scheduler, cpu } = this_turn()?;
    loop {
        let mut state = scheduler.state();
        if state.stopped {
            return None;
        }
        if let Some(free) = locks.iter().position(|lock| !state.held.contains_key(lock)) {
            state.held.insert(locks[free], cpu);
            return Some(free);
        }
        state.threads[cpu] = Thread::Waiting(locks.to_vec());
        state.hand_over();
        scheduler.wait(state, cpu);
    }
}

/// Takes a lock if it is free; whether it was. [`None`] if the thread runs alone.
pub(crate) fn try_acquire(lock: usize) -> Option<bool> {
    turn();
    let Turn { scheduler, cpu } = this_turn()?;
    let mut state = scheduler.state();
    let free = !state.held.contains_key(&lock);
    if free {
        state.held.insert(lock, cpu);
    }
    Some(free)
}

/// Lets go of a lock.
pub(crate) fn release(lock: usize) {
    let Some(Turn { scheduler, .. }) = this_turn() else {
        return;
    };
    let mut state = scheduler.state();
    state.held.remove(&lock);
    for thread in &mut state.threads {
        if matches!(thread, Thread::Waiting(locks) if locks.contains(&lock)) {
            *thread = Thread::Ready;
        }
    }
}
