//! Masks of grammars, computed beside the network's passes: which tokens may come next depends on the token that was
//! chosen, and is needed only when the network has computed what it thinks of them.

use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use toktrie::SimpleVob;

use crate::{Constraint, EngineError};

/// Tokens that a grammar may leave for the network to compute these alone.
const FEW: usize = 4096;
/// How long a pass waits for a mask before it computes all logits: where a grammar leaves few tokens their mask is
/// usually there by then, and the pass is shorter.
const MOMENT: Duration = Duration::from_micros(200);

type Outcome = (Box<Constraint>, Result<Mask, EngineError>);
type Job = (Box<Constraint>, Sender<Outcome>);

/// The thread that computes them; it begins with the first and ends with this.
#[derive(Default)]
pub(crate) struct Masks {
    jobs: OnceLock<Option<Sender<Job>>>,
}

impl Masks {
    fn start() -> Option<Sender<Job>> {
        let (sender, jobs) = channel::<Job>();
        let thread = std::thread::Builder::new().name("aurore-masks".to_owned());
        let work = move || {
            for (mut constraint, done) in jobs {
                let mask = Mask::new(&mut constraint);
                // Whoever asked may have gone.
                let _ = done.send((constraint, mask));
            }
        };
        thread.spawn(work).ok().map(|_| sender)
    }

    /// Begins a mask; here and now where there is no thread.
    fn begin(&self, mut constraint: Box<Constraint>) -> State {
        let (sender, outcome) = channel();
        let jobs = self.jobs.get_or_init(Self::start);
        if let Some(jobs) = jobs {
            match jobs.send((constraint, sender)) {
                Ok(()) => return State::Coming(outcome),
                Err(refused) => constraint = refused.0.0,
            }
        }
        let mask = Mask::new(&mut constraint);
        State::from((constraint, mask))
    }
}

/// Which tokens may come next.
pub(crate) struct Mask {
    pub(crate) allowed: SimpleVob,
    /// Their ids, if they are few.
    few: Option<Vec<u32>>,
}

impl Mask {
    fn new(constraint: &mut Constraint) -> Result<Self, EngineError> {
        let allowed = constraint.mask()?;
        let few = (allowed.num_set() <= FEW).then(|| allowed.iter().collect());
        Ok(Self { allowed, few })
    }
}

/// A constraint and the mask at its place.
pub(crate) struct Guide {
    state: State,
}

enum State {
    Coming(Receiver<Outcome>),
    Known(Box<Constraint>, Mask),
    Failed(EngineError),
    /// On its way from one of the others to the next.
    Moving,
}

impl From<Outcome> for State {
    fn from((constraint, mask): Outcome) -> Self {
        match mask {
            Ok(mask) => Self::Known(constraint, mask),
            Err(error) => Self::Failed(error),
        }
    }
}

impl Guide {
    /// A guide whose mask is being computed.
    pub(crate) fn new(constraint: Constraint, masks: &Masks) -> Self {
        Self {
            state: masks.begin(Box::new(constraint)),
        }
    }

    /// Waits for a moment whether the mask comes.
    pub(crate) fn glance(&mut self) {
        if let State::Coming(outcome) = &self.state {
            match outcome.recv_timeout(MOMENT) {
                Ok(outcome) => self.state = outcome.into(),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => self.state = State::Failed(gone()),
            }
        }
    }

    /// The only ids that may come, if they are known to be few.
    pub(crate) fn few(&self) -> Option<&[u32]> {
        match &self.state {
            State::Known(_, mask) => mask.few.as_deref(),
            _ => None,
        }
    }

    /// The mask, as soon as it is there.
    ///
    /// # Errors
    /// [`EngineError::GrammarStuck`] when the grammar cannot go on.
    pub(crate) fn mask(&mut self) -> Result<&Mask, EngineError> {
        if let State::Coming(outcome) = &self.state {
            self.state = outcome.recv().map_or_else(|_| State::Failed(gone()), State::from);
        }
        match &mut self.state {
            State::Known(_, mask) => Ok(mask),
            State::Failed(error) => Err(std::mem::replace(error, gone())),
            State::Coming(_) | State::Moving => Err(gone()),
        }
    }

    /// Moves on by a token that the mask allowed, and begins the next mask. Whether anything may come after it.
    ///
    /// # Errors
    /// [`EngineError::GrammarStuck`] when the grammar cannot go on.
    pub(crate) fn push(&mut self, id: u32, masks: &Masks) -> Result<bool, EngineError> {
        self.mask()?;
        let State::Known(mut constraint, _) = std::mem::replace(&mut self.state, State::Moving) else {
            return Err(gone());
        };
        constraint.push(id)?;
        let goes_on = !constraint.is_complete();
        if goes_on {
            self.state = masks.begin(constraint);
        }
        Ok(goes_on)
    }
}

fn gone() -> EngineError {
    EngineError::Defect("the thread that follows grammars is gone".to_owned())
}
