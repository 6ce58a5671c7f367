//! Numbers what the records of reads have in common, so that each read names a number in its place.

use std::collections::HashMap;

/// The most contexts that are known at a time. After that, numbers begin anew.
const MAX_CONTEXTS: usize = 1_024;

/// The contexts that were recorded in this segment: tool, caller, client and transport of a read.
#[derive(Default)]
pub(super) struct Contexts(HashMap<Vec<u8>, u64>);

impl Contexts {
    /// Returns the number of a context, and whether it is new, so that it must be recorded.
    pub(super) fn number(&mut self, members: &[u8]) -> (u64, bool) {
        if let Some(number) = self.0.get(members) {
            return (*number, false);
        }
        if self.0.len() == MAX_CONTEXTS {
            self.0.clear();
        }
        let number = self.0.len() as u64 + 1;
        self.0.insert(members.to_owned(), number);
        (number, true)
    }

    /// Forgets all contexts: those that were recorded are in another segment, or not on the disk.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use crate::audit::write::contexts::*;

    #[test]
    fn contexts_keep_their_numbers_in_bounded_memory() {
        let mut contexts = Contexts::default();
        assert_eq!(contexts.number(b"a"), (1, true));
        assert_eq!(contexts.number(b"b"), (2, true));
        assert_eq!(contexts.number(b"a"), (1, false));
        for context in 0..10 * MAX_CONTEXTS {
            contexts.number(context.to_string().as_bytes());
        }
        assert!(contexts.0.len() <= MAX_CONTEXTS);
        assert!(contexts.number(b"a").1, "it was forgotten, and is recorded again");
    }
}
