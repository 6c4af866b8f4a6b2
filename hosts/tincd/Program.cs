using TincPure.Host;

Console.WriteLine($"tincd (TincPure) {BuildInfo.Version}");
return 0;
