@echo off
rem Runs Paket for MSBuild (PaketExePath) and for people. See paket.sh beside this file for the why.
setlocal EnableExtensions
set "root=%~dp0.."
if not defined NUGET_SOURCE (
    for /f "tokens=1,*" %%a in ('dotnet nuget list source --format short') do (
        if not defined NUGET_SOURCE if /i "%%a"=="E" set "NUGET_SOURCE=%%b"
        if not defined NUGET_SOURCE if /i "%%a"=="EM" set "NUGET_SOURCE=%%b"
    )
)
if not defined NUGET_SOURCE (
    echo paket.cmd: this machine has no enabled NuGet source 1>&2
    exit /b 1
)
if not exist "%root%\paket-files" mkdir "%root%\paket-files" 2>nul

rem The lock is a file held open for writing: opening it a second time fails until the holder is done.
:wait
set "entered="
2>nul (
    9>>"%root%\paket-files\.wrapper.lock" (
        set "entered=1"
        call :run %*
    )
)
if not defined entered (
    ping -n 2 127.0.0.1 >nul
    goto wait
)
exit /b %result%

:run
pushd "%root%"
dotnet paket --version >nul 2>nul || dotnet tool restore
set "refresh="
if not exist paket.lock set "refresh=1"
if not defined refresh for /f %%f in ('dir /b /o-d paket.lock paket.dependencies') do if not defined newest set "newest=%%f"
if /i "%newest%"=="paket.dependencies" set "refresh=1"
if defined refresh (
    dotnet paket update --no-install --silent
    copy /b paket.lock+,, >nul
)
popd
dotnet paket %*
set "result=%errorlevel%"
exit /b 0
