using TincPure.Host.Process;
using TincPure.Tinc;

using var terminal = Terminal.OfProcess();
return new Session(ProgramName.AsStarted, terminal, Roots.OfSystem()).Run(args);
