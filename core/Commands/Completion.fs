/// What completion offers, and the scripts by which shells ask for it (spec 06 §3).
module TincPure.Commands.Completion

open System
open TincPure.Config

let private listed = Variables.all |> List.filter _.Listed

/// The variables that may stand in the place of a word: behind `NODE.` those of host files.
let variables (word: string) : string list =
    match word.IndexOf '.' with
    | -1 -> listed |> List.map _.Name
    | dot ->
        let node = word.Substring(0, dot + 1)
        listed |> List.filter _.Host |> List.map (fun variable -> node + variable.Name)

/// Those of the candidates that a word is the beginning of, each once. Names of nodes are told apart by case, other words are not.
let matching (word: string) (candidates: string seq) : string list =
    candidates
    |> Seq.filter (fun candidate -> candidate.StartsWith(word, StringComparison.OrdinalIgnoreCase))
    |> Seq.distinct
    |> List.ofSeq

/// The shells that there are scripts for.
let shells: string list = [ "bash"; "zsh"; "fish"; "powershell" ]

/// A script that lets a shell complete the command lines of `tinc`; none for a shell that is not known. The words that are
/// there, the unfinished one included, go to the hidden command `complete`.
let script (shell: string) : string voption =
    match shell.ToLowerInvariant() with
    | "bash" ->
        ValueSome
            """_tinc() {
    local IFS=$'\n'
    COMPREPLY=($("${COMP_WORDS[0]}" complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _tinc tinc
"""
    | "zsh" ->
        ValueSome
            """#compdef tinc
_tinc() {
    local -a found
    found=("${(@f)$("${words[1]}" complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    if [[ -n "$found" ]]; then compadd -a found; else _files; fi
}
compdef _tinc tinc
"""
    | "fish" ->
        ValueSome
            """function __tinc_complete
    set -l words (commandline -opc) (commandline -ct)
    set -l found ($words[1] complete -- $words[2..-1] 2>/dev/null)
    if set -q found[1]
        printf '%s\n' $found
    else
        __fish_complete_path (commandline -ct)
    end
end
complete -c tinc -f -a '(__tinc_complete)'
"""
    | "powershell" ->
        ValueSome
            """Register-ArgumentCompleter -Native -CommandName tinc -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $words = @($commandAst.CommandElements | Select-Object -Skip 1 | ForEach-Object { $_.ToString() })
    if ($wordToComplete -eq '') { $words += '' }
    & $commandAst.CommandElements[0].ToString() complete -- @words 2>$null |
        ForEach-Object { [System.Management.Automation.CompletionResult]::new($_, $_, 'ParameterValue', $_) }
}
"""
    | _ -> ValueNone
