/// Everything that is fuzzed.
module TincPure.Fuzz.Targets

let all: Target list =
    [ MetaLines.target
      MetaFraming.target
      Texts.target
      KeyFiles.target
      Configuration.target
      CommandLines.target
      SptpsStream.target
      SptpsPeer.target
      SptpsDatagrams.target
      SptpsHandshake.target
      LegacyCrypto.target
      Compression.target
      KeyAgreement.target
      Discovery.target
      PacketPlane.target
      Proxies.target
      InvitedNode.target
      NodeLogin.target
      NodePeer.target ]
