# Packs the installed gems that an application requires, with everything they depend on, and indexes them as a gem server
# does. Debian's packages install gems without the files that gems are published as.
#
# pack_gems.rb FOLDER GEM…

require "fileutils"
require "rubygems/indexer"
require "rubygems/package"
require "tmpdir"

LIBRARIES = %r{\A/usr/lib/(?:ruby/vendor_ruby|[^/]+/ruby/vendor_ruby/[^/]+)/(.+)\z}

def required(names)
  found = {}
  until names.empty?
    name = names.shift
    next if found.key?(name)

    found[name] = Gem::Specification.find_by_name(name)
    names.concat(found[name].runtime_dependencies.map(&:name))
  end
  found.values.reject { |spec| spec.default_gem? || spec.name == "bundler" }
end

# Copies the gem's files into the folder, and returns whether some of them are compiled.
def copy(spec, folder)
  if File.directory?(spec.full_gem_path)
    FileUtils.cp_r("#{spec.full_gem_path}/.", folder)
    FileUtils.cp_r("#{spec.extension_dir}/.", "#{folder}/lib") if File.directory?(spec.extension_dir)
  end
  package = `dpkg-query --search #{spec.loaded_from}`[/\A[^:]+/]
  `dpkg-query --listfiles #{package}`.lines(chomp: true).grep(LIBRARIES).each do |path|
    next if File.directory?(path)

    copied = "#{folder}/lib/#{path[LIBRARIES, 1]}"
    FileUtils.mkdir_p(File.dirname(copied))
    FileUtils.cp(path, copied)
  end
  Dir.glob("#{folder}/**/*.so").any?
end

def pack(spec, gems)
  Dir.mktmpdir do |folder|
    packed = spec.dup
    packed.platform = Gem::Platform.local if copy(spec, folder)
    packed.extensions = []
    Dir.chdir(folder) do
      packed.files = Dir.glob("**/*").select { |path| File.file?(path) && !path.start_with?("ext/") }
      packed.test_files = []
      packed.extra_rdoc_files = []
      packed.cert_chain = []
      packed.executables = packed.executables.select { |name| File.file?("#{packed.bindir}/#{name}") }
      Gem::Package.build(packed, true, false, "#{gems}/#{packed.full_name}.gem")
    end
  end
end

folder, *names = ARGV
FileUtils.mkdir_p("#{folder}/gems")
Gem::DefaultUserInteraction.ui = Gem::SilentUI.new
required(names).each { |spec| pack(spec, "#{folder}/gems") }
Gem::Indexer.new(folder).generate_index
