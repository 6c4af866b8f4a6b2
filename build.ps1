#!/usr/bin/env pwsh
# The part of build.sh that makes sense on Windows: ./build.ps1 build | test | publish | format | check-format
param(
    [Parameter(Position = 0)][string] $Command = 'help',
    [Parameter(ValueFromRemainingArguments)][string[]] $Rest = @()
)

$ErrorActionPreference = 'Stop'
Set-Location $PSScriptRoot
$env:DOTNET_NOLOGO = '1'
$configuration = 'Release'

function Invoke-DotNet {
    & dotnet @args
    if ($LASTEXITCODE -ne 0) { exit $LASTEXITCODE }
}

function Build-Solution { Invoke-DotNet build TincPure.sln -c $configuration -v quiet --nologo }

switch ($Command) {
    'build' { Build-Solution }
    'test' {
        # The interop tests run real daemons in network namespaces, which only Linux has.
        Build-Solution
        $code = 0
        & dotnet run --project fuzz -c $configuration --no-build -- --seconds 15 --seed 1
        if ($LASTEXITCODE -ne 0) { $code = 1 }
        Get-ChildItem tests/*.Tests/*.*proj | Where-Object Name -NotMatch 'Interop' | ForEach-Object {
            & dotnet test $_.FullName -c $configuration --no-build --nologo @Rest
            if ($LASTEXITCODE -ne 0) { $code = 1 }
        }
        exit $code
    }
    'fuzz' { Invoke-DotNet run --project fuzz -c $configuration -- @Rest }
    'publish' {
        if (Test-Path out) { Remove-Item -Recurse -Force out }
        foreach ($program in 'tinc', 'tincd') {
            Invoke-DotNet publish "hosts/$program" -c $configuration -v quiet --nologo -o out -p:PublishReadyToRun=true
        }
    }
    'format' {
        Invoke-DotNet tool restore
        Invoke-DotNet fantomas core tests fuzz
        Invoke-DotNet format whitespace --folder --include hosts/ tests/
    }
    'check-format' {
        Invoke-DotNet tool restore
        Invoke-DotNet fantomas --check core tests fuzz
        Invoke-DotNet format whitespace --folder --include hosts/ tests/ --verify-no-changes
    }
    'help' { 'usage: ./build.ps1 build | test | publish | fuzz | format | check-format' }
    default {
        Write-Error "unknown command '$Command': ./build.ps1 help"
        exit 2
    }
}
