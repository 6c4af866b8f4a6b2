using TincPure.Host;

Console.WriteLine($"tinc (TincPure) {BuildInfo.Version}");
return 0;
