//! Collects maps and sets that are ordered by their keys.

/// Iterators over the entries of a map, or the members of a set.
pub(crate) trait CollectOrdered: Iterator + Sized {
    /// Collects a map or a set by one insertion after another. `collect` sorts first, and the compiler copies that sort for
    /// each iterator: fifty of them were a twentieth of the library.
    fn collect_ordered<C: Default + Extend<Self::Item>>(self) -> C {
        let mut collection = C::default();
        collection.extend(self);
        collection
    }
}

impl<I: Iterator> CollectOrdered for I {}
