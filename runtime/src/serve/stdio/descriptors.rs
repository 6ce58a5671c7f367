//! Reserves the process's stdin and stdout for the protocol, on descriptors that nothing else can use.

use std::io;

use tokio::io::{AsyncRead, AsyncWrite};

pub(crate) type Reader = Box<dyn AsyncRead + Send + Unpin>;
pub(crate) type Writer = Box<dyn AsyncWrite + Send + Unpin>;

/// The process's stdin and stdout, reserved for the protocol.
pub(crate) struct Stdio {
    #[cfg(unix)]
    stdin: std::os::fd::OwnedFd,
    #[cfg(unix)]
    stdout: std::os::fd::OwnedFd,
}

#[cfg(unix)]
impl Stdio {
    /// Duplicates stdin and stdout, then points descriptor 0 at `/dev/null` and descriptor 1 at stderr. Output of a
    /// library, of C code or of a child process then stays out of the protocol, and a child that reads stdin consumes no
    /// message. If stderr is the same pipe or file as stdout (`2>&1`), what would go to stderr is discarded.
    pub(crate) fn take() -> io::Result<Self> {
        use rustix::{
            fs::{Mode, OFlags},
            io::fcntl_dupfd_cloexec,
            stdio,
        };

        // Above 2, and closed in children.
        let stdin = fcntl_dupfd_cloexec(stdio::stdin(), 3)?;
        let stdout = fcntl_dupfd_cloexec(stdio::stdout(), 3)?;
        let nothing = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
        stdio::dup2_stdin(&nothing)?;
        if is_same_file(&stdout, stdio::stderr()) {
            stdio::dup2_stderr(&nothing)?;
        }
        // Without a stderr, stray output is discarded.
        if stdio::dup2_stdout(stdio::stderr()).is_err() {
            stdio::dup2_stdout(&nothing)?;
        }
        Ok(Self { stdin, stdout })
    }

    /// Returns the path of stdout if it is a file.
    #[cfg(feature = "cli")]
    pub(crate) fn output_file(&self) -> Option<std::path::PathBuf> {
        use std::os::fd::AsRawFd as _;

        std::fs::read_link(format!("/proc/self/fd/{}", self.stdout.as_raw_fd())).ok()
    }

    /// Opens both for asynchronous reading and writing, without blocking if they are pipes. Needs a tokio runtime.
    pub(crate) fn open(self) -> io::Result<(Reader, Writer)> {
        Ok((reader(self.stdin)?, writer(self.stdout)?))
    }
}

/// Returns whether two descriptors lead to the same pipe, socket or file. Devices do not count: on a terminal, a person tells
/// the two apart.
#[cfg(unix)]
fn is_same_file(one: impl std::os::fd::AsFd, other: impl std::os::fd::AsFd) -> bool {
    use rustix::fs::{FileType, fstat};

    let (Ok(one), Ok(other)) = (fstat(one), fstat(other)) else { return false };
    let is_device = FileType::from_raw_mode(one.st_mode) == FileType::CharacterDevice;
    !is_device && (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)
}

#[cfg(unix)]
fn reader(fd: std::os::fd::OwnedFd) -> io::Result<Reader> {
    #[cfg(target_os = "linux")]
    if let Some(pipe) = reopened(&fd, false) {
        return Ok(Box::new(tokio::net::unix::pipe::Receiver::from_owned_fd(pipe)?));
    }
    // A file, a terminal or a socket may share its flags with other processes, so a blocking thread reads it.
    Ok(Box::new(tokio::fs::File::from_std(fd.into())))
}

#[cfg(unix)]
fn writer(fd: std::os::fd::OwnedFd) -> io::Result<Writer> {
    #[cfg(target_os = "linux")]
    if let Some(pipe) = reopened(&fd, true) {
        return Ok(Box::new(tokio::net::unix::pipe::Sender::from_owned_fd(pipe)?));
    }
    Ok(Box::new(tokio::fs::File::from_std(fd.into())))
}

/// Opens a pipe anew, so that `O_NONBLOCK` affects this process alone: a shell may share the old description.
#[cfg(target_os = "linux")]
fn reopened(fd: &std::os::fd::OwnedFd, write: bool) -> Option<std::os::fd::OwnedFd> {
    use std::os::fd::AsRawFd as _;

    use rustix::fs::{FileType, Mode, OFlags};

    let stat = rustix::fs::fstat(fd).ok()?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::Fifo {
        return None;
    }
    let access = if write { OFlags::WRONLY } else { OFlags::RDONLY };
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    rustix::fs::open(path, access | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty()).ok()
}

#[cfg(not(unix))]
impl Stdio {
    /// Other systems have no descriptors to redirect: handlers there must not print.
    pub(crate) fn take() -> io::Result<Self> {
        Ok(Self {})
    }

    /// Finds nothing: other systems do not look for open files.
    #[cfg(feature = "cli")]
    pub(crate) fn output_file(&self) -> Option<std::path::PathBuf> {
        let _ = self;
        None
    }

    pub(crate) fn open(self) -> io::Result<(Reader, Writer)> {
        Ok((Box::new(tokio::io::stdin()), Box::new(tokio::io::stdout())))
    }
}
