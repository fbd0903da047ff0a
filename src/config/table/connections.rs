//! Settings of connections: how long they last, and how much they may send.

use super::{Setting, plain};

/// Who may connect to a Unix socket.
pub static SOCKET_MODE: Setting = plain(
    "KNOXIDE_SOCKET_MODE",
    "660",
    "three octal digits, such as 660 or 666",
    "The mode of Unix sockets in `KNOXIDE_LISTEN`. Who may write may connect: with 660, the server's user and group.",
);
/// How long a request's head may be.
pub static HEAD_LIMIT: Setting = plain(
    "KNOXIDE_HEAD_LIMIT",
    "32KiB",
    "bytes or KiB; 4KiB to 96KiB",
    "The largest head of a request, its first line and its headers; a larger one is answered with 431.",
);
/// How long a connection may be unused.
pub static KEEP_ALIVE: Setting = plain(
    "KNOXIDE_KEEP_ALIVE",
    "75s",
    "duration, 1s to 1h",
    "How long a connection may stay idle between two requests before the server closes it. Behind a load balancer, set \
     this higher than the balancer's own idle timeout; otherwise it may send requests over connections that are being \
     closed. AWS network load balancers use 350s, Google's use 600s.",
);
/// How long the server takes requests after it was told to stop.
pub static SHUTDOWN_DELAY: Setting = plain(
    "KNOXIDE_SHUTDOWN_DELAY",
    "500ms",
    "duration, 0s to 10m",
    "How long the server goes on taking requests and connections after it was told to stop, while `/readyz` answers 503 \
     and each reply closes its connection. Set this higher than your balancer's health check interval times its failure \
     threshold: until then it keeps sending clients here.",
);
