/// How much a mesh may make a node keep. A peer that announces more is not believed.
module TincPure.Node.Bounds

/// Nodes, whatever became of them.
let nodes = 65536

/// Subnets of all nodes together.
let subnets = 1_000_000

/// Ethernet addresses behind our device that are announced to everybody.
let learnedAddresses = 10_000

/// Directed edges of the whole mesh.
let edges = 1_000_000

/// Connections that are not past ACK.
let unauthenticated = 256

/// Names of addresses that are remembered for logs and dumps.
let hostNames = 4096

/// Addresses of one name that count.
let addressesOfName = 16

/// Characters of an edge's address, where that is text: no host name is longer than 255.
let addressText = 300

/// Addresses of one node that are remembered.
let recentAddresses = 8
