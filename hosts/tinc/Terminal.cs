using System.Text;
using Microsoft.Win32.SafeHandles;

namespace TincPure.Tinc;

/// <summary>
/// Standard input, output and error, of the process or of a test. Text is byte text, one char per byte (see <see cref="Config.ByteText"/>), so that
/// file contents pass through unchanged.
/// </summary>
internal sealed class Terminal(Stream input, Stream output, Stream error, bool interactive, bool colour, bool isProcess)
    : IDisposable
{
    private const int OutputDescriptor = 1;

    private static readonly Encoding Bytes = Encoding.Latin1;

    private readonly StreamReader _input = new(input, Bytes);

    /// <summary>Standard input and output are both terminals.</summary>
    public bool Interactive => interactive;

    /// <summary>Keys can be read one by one, and the cursor can be moved.</summary>
    public bool CanEditLines => isProcess && colour;

    /// <summary>Standard error understands colours.</summary>
    public bool ErrorTakesColour => colour && !Console.IsErrorRedirected;

    /// <summary>Standard output understands colours.</summary>
    public bool OutputTakesColour => colour && !Console.IsOutputRedirected;

    /// <summary>Nobody reads our output any more.</summary>
    public bool OutputIsLost { get; private set; }

    public static Terminal OfProcess() =>
        new(
            Console.OpenStandardInput(),
            new BufferedStream(Console.OpenStandardOutput()),
            Console.OpenStandardError(),
            !Console.IsInputRedirected && !Console.IsOutputRedirected,
            Environment.GetEnvironmentVariable("TERM") is { Length: > 0 } term && term != "dumb",
            isProcess: true);

    public void Write(string text) => WriteBytes(Bytes.GetBytes(text));

    public void WriteLine(string text) => Write(text + "\n");

    public void WriteBytes(ReadOnlySpan<byte> bytes)
    {
        try
        {
            output.Write(bytes);
        }
        catch (IOException)
        {
            OutputIsLost = true;
        }
    }

    public void Flush()
    {
        try
        {
            output.Flush();
        }
        catch (IOException)
        {
            OutputIsLost = true;
        }
    }

    /// <summary>Diagnostics, as they are.</summary>
    public void WriteError(string text) => WriteErrorBytes(Bytes.GetBytes(text));

    public void WriteErrorBytes(ReadOnlySpan<byte> bytes)
    {
        Flush();
        try
        {
            error.Write(bytes);
        }
        catch (IOException)
        {
            // Nobody listens.
        }
    }

    /// <summary>A line of diagnostics; returns the exit code of a failure.</summary>
    public int Fail(string text)
    {
        WriteError(text + "\n");
        return 1;
    }

    /// <summary>The next line without its end, or null at the end of the input.</summary>
    public string? ReadLine()
    {
        Flush();
        return _input.ReadLine();
    }

    /// <summary>The next character, or null at the end of the input.</summary>
    public char? ReadCharacter()
    {
        Flush();
        return _input.Read() is >= 0 and var character ? (char)character : null;
    }

    public string ReadToEnd() => _input.ReadToEnd();

    /// <summary>Tells the reader of our output that there is no more.</summary>
    public void CloseOutput()
    {
        Flush();
        output.Dispose();
        output = Stream.Null;
        if (isProcess && !OperatingSystem.IsWindows())
            new SafeFileHandle(OutputDescriptor, ownsHandle: true).Dispose();
    }

    public void Dispose()
    {
        Flush();
        output.Dispose();
        error.Dispose();
    }
}
