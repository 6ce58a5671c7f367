//! The audit log: the records of calls, the files under failures and attacks, and the commands that read and prune them.

mod commits;
mod crash;
mod disk;
mod export;
mod prune;
mod records;
mod restart;
mod retention;
mod secrets;
mod serve;
mod stats;
mod tamper;
