//! One of the processes on a store: where it lives, and its life while it has one.

use super::life::Life;
use super::place::Place;

#[derive(Debug)]
pub struct Replica {
    pub place: Place,
    pub life: Option<Life>,
    /// For so many cycles it is left dead, as long as others are there.
    pub rests: u32,
}

impl Replica {
    pub fn new(place: Place) -> Self {
        Self {
            place,
            life: None,
            rests: 0,
        }
    }
}
